"""TypeScript declarations of structs, against the JSON that the structs are written as."""

from datetime import datetime
from typing import Any, Literal

import msgspec
import pytest

from infra.documents.typescript import TypeScriptModule, constant

Colour = Literal["red", "green"]


class Leaf(msgspec.Struct, frozen=True):
    """A leaf.

    More about it.
    """

    colour: Colour
    grown_at: datetime | None = None


class Tree(msgspec.Struct, frozen=True, tag_field="type", tag="tree", omit_defaults=True):
    """A tree."""

    leaves: tuple[Leaf, ...]
    notes: dict[str, Any]
    height: float = 0.0


def made(**options: Any) -> str:
    module = TypeScriptModule("a.gen.ts", literals={"Colour": Colour}, **options)
    module.reference(Tree)
    return module.text()


def test_a_struct_becomes_an_interface_with_its_tag_and_nested_structs():
    text = made()
    assert 'export type Colour = "green" | "red";' in text
    assert '  readonly type: "tree";\n  readonly leaves: ReadonlyArray<Leaf>;' in text
    assert "  readonly notes: Readonly<Record<string, unknown>>;" in text
    assert "/** A leaf. */\nexport interface Leaf {\n  readonly colour: Colour;" in text


def test_only_what_may_be_absent_from_the_json_is_optional():
    assert "readonly height?: number;" in made()
    assert "readonly grown_at: string | null;" in made()
    assert "readonly grown_at?: string | null;" in made(all_defaults_optional=True)


def test_a_later_module_imports_what_an_earlier_one_declares():
    earlier = TypeScriptModule("a.gen.ts", literals={"Colour": Colour})
    earlier.reference(Leaf)
    later = TypeScriptModule("b.gen.ts", literals={}, imports=(earlier,))
    later.reference(Tree)
    assert 'import type { Leaf } from "./a.gen.ts";' in later.text()
    assert "interface Leaf" not in later.text()


def test_two_structs_of_one_name_in_a_module_are_refused():
    other = msgspec.defstruct("Leaf", [("size", int)])
    module = TypeScriptModule("a.gen.ts", literals={})
    module.reference(Leaf)
    with pytest.raises(TypeError, match="would declare Leaf twice"):
        module.reference(other)


def test_a_constant_is_written_as_json():
    assert constant("NAME", "a “b”") == 'export const NAME = "a \\u201cb\\u201d";'

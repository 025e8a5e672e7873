"""TypeScript declarations of structs, as their JSON looks to a reader of it.

Field names and types follow `msgspec`; a struct becomes an interface, a `Literal` that has a name a
type of that name. What one module declares, a later one imports.
"""

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Final, Self

import msgspec
from msgspec import inspect as shapes

HEADER: Final = "// Generated from the Python code by `make docs`. Do not edit.\n"


class TypeScriptModule:
    """One generated file: gathers declarations; `literals` are named types of constant strings.

    `raw` is the type of JSON that is passed on undecoded. `all_defaults_optional`: the file
    describes what is written, so what has a default may be left out.
    """

    def __init__(
        self,
        name: str,
        *,
        literals: Mapping[str, object],
        imports: tuple[Self, ...] = (),
        raw: str = "unknown",
        all_defaults_optional: bool = False,
    ) -> None:
        self.name = name
        self.declared: dict[object, str] = {}
        self._raw = raw
        self._all_defaults_optional = all_defaults_optional
        self._imports = imports
        self._imported: dict[str, set[str]] = {}
        self._parts: list[str] = []
        for alias, literal in literals.items():
            values = literal_values(literal)
            self._declare(values, alias)
            self.add(f"export type {alias} = {_union(sorted(values))};")

    def add(self, text: str) -> None:
        """Append a declaration that is written already."""
        self._parts.append(text)

    def add_union(self, name: str, structs: tuple[type[msgspec.Struct], ...], doc: str) -> None:
        """Declare each struct, and the union of them under a name."""
        members = "".join(f"\n  | {self.reference(struct)}" for struct in structs)
        self.add(f"/** {doc} */\nexport type {name} ={members};")

    def import_type(self, module: str, name: str) -> None:
        """Import a name that was written by `add` in another module."""
        self._imported.setdefault(module, set()).add(name)

    def text(self) -> str:
        """Return the whole file."""
        imports = "".join(
            f'import type {{ {", ".join(sorted(names))} }} from "./{module}";\n'
            for module, names in sorted(self._imported.items())
        )
        return "\n".join([HEADER + imports, "\n\n".join(self._parts), ""])

    def reference(self, struct: type[msgspec.Struct]) -> str:
        """Return the name of a struct's interface; declare or import it when it is new.

        Raises TypeError when two structs of a module have one name.
        """
        known = self._known(struct)
        if known:
            return known
        shape = shapes.type_info(struct)
        if not isinstance(shape, shapes.StructType):
            raise TypeError(f"{struct} is no struct")
        name = struct.__name__.lstrip("_")
        self._declare(struct, name)
        self.add(self._interface(name, shape))
        return name

    def _interface(self, name: str, shape: shapes.StructType) -> str:
        doc = inspect.cleandoc(shape.cls.__dict__.get("__doc__") or "").split("\n\n")[0]
        lines = [f"/** {' '.join(doc.split())} */", f"export interface {name} {{"]
        if shape.tag_field is not None:
            lines.append(f"  readonly {shape.tag_field}: {json.dumps(shape.tag)};")
        for field in shape.fields:
            mark = "?" if self._is_optional(field, shape) else ""
            lines.append(f"  readonly {field.encode_name}{mark}: {self._type(field.type)};")
        return "\n".join([*lines, "}"])

    def _is_optional(self, field: shapes.Field, shape: shapes.StructType) -> bool:
        config = shape.cls.__struct_config__
        may_be_absent = (
            self._all_defaults_optional or config.omit_defaults or config.forbid_unknown_fields
        )
        return may_be_absent and not field.required

    def _known(self, key: object) -> str | None:
        if key in self.declared:
            return self.declared[key]
        for module in self._imports:
            if key in module.declared:
                self.import_type(module.name, module.declared[key])
                return module.declared[key]
        return None

    def _declare(self, key: object, name: str) -> None:
        if name in self.declared.values():
            raise TypeError(f"{self.name} would declare {name} twice. Rename one of them.")
        self.declared[key] = name

    def _type(self, kind: shapes.Type) -> str:
        match kind:
            case shapes.Metadata(type=inner):
                return self._type(inner)
            case shapes.AnyType():
                return "unknown"
            case shapes.RawType():
                return self._raw
            case shapes.NoneType():
                return "null"
            case shapes.BoolType():
                return "boolean"
            case shapes.IntType() | shapes.FloatType():
                return "number"
            case shapes.StrType() | shapes.DateTimeType() | shapes.DateType():
                return "string"
            case shapes.LiteralType(values=values):
                return self._known(frozenset(values)) or _union(values)
            case shapes.UnionType(types=types):
                return " | ".join(self._type(one) for one in types)
            case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
                return f"ReadonlyArray<{self._type(item)}>"
            case shapes.DictType(value_type=value):
                return f"Readonly<Record<string, {self._type(value)}>>"
            case shapes.StructType(cls=cls):
                return self.reference(cls)
            case _:
                raise TypeError(f"No TypeScript type is known for {kind}: add it to {__name__}.")


def literal_values(literal: object) -> frozenset[str]:
    """Return the values of a `Literal`. Raises TypeError for anything else."""
    shape = shapes.type_info(literal)
    if not isinstance(shape, shapes.LiteralType):
        raise TypeError(f"{literal} is no Literal")
    return frozenset(map(str, shape.values))


def constant(name: str, value: object) -> str:
    """Return the declaration of a constant."""
    return f"export const {name} = {json.dumps(value)};"


def _union(values: Iterable[object]) -> str:
    return " | ".join(json.dumps(value) for value in values)

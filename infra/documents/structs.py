"""JSON Schemas of structs, as msgspec spells and reads them.

msgspec's own generator leaves a time a bare string, so that a shape whose time became a word would
look unchanged; here a `datetime` has its format. Specification: JSON Schema 2020-12; nothing is
used that draft-07 (AsyncAPI 3.0) lacks.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import inspect as shapes

Json = dict[str, Any]
"""A JSON object."""


class Schemas:
    """Gathers the schemas of structs by name; `refs` is the place the references point to."""

    def __init__(self, refs: str = "#/$defs/") -> None:
        self.named: Json = {}
        self._refs = refs
        self._known: dict[str, type] = {}

    def of(self, kind: object) -> Json:
        """Return the schema of a type; structs become references to `named`.

        Raises TypeError on a type that no struct of the project has used yet, and on two structs of
        the same name.
        """
        return self._of(shapes.type_info(kind))

    def members(self, struct: type[msgspec.Struct], *, but: Iterable[str] = ()) -> Json:
        """Return the schema of a struct in place: its properties, and which are required."""
        shape = shapes.type_info(struct)
        if not isinstance(shape, shapes.StructType):
            raise TypeError(f"{struct} is no struct")
        properties: Json = {}
        required: list[str] = []
        if shape.tag_field is not None:
            properties[shape.tag_field] = {"const": shape.tag}
            required.append(shape.tag_field)
        for field in shape.fields:
            if field.encode_name in but:
                continue
            properties[field.encode_name] = self._of(field.type) | _default(field)
            if field.required:
                required.append(field.encode_name)
        return {
            "title": struct.__name__,
            "description": inspect.cleandoc(struct.__dict__.get("__doc__") or ""),
            "type": "object",
            "properties": properties,
            "required": required,
        } | ({"additionalProperties": False} if shape.forbid_unknown_fields else {})

    def _of(self, kind: shapes.Type) -> Json:
        match kind:
            case shapes.AnyType() | shapes.RawType():
                return {}
            case shapes.NoneType():
                return {"type": "null"}
            case shapes.BoolType():
                return {"type": "boolean"}
            case shapes.IntType():
                return {"type": "integer"}
            case shapes.FloatType():
                return {"type": "number"}
            case shapes.StrType():
                return {"type": "string"}
            case shapes.DateTimeType():
                return {"type": "string", "format": "date-time"}
            case shapes.LiteralType(values=values):
                return {"enum": list(values)}
            case shapes.UnionType(types=types):
                return {"anyOf": [self._of(one) for one in types]}
            case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
                return {"type": "array", "items": self._of(item)}
            case shapes.DictType(value_type=value):
                return {"type": "object", "additionalProperties": self._of(value)}
            case shapes.StructType(cls=cls):
                return self._reference(cls)
            case _:
                raise TypeError(f"No JSON Schema is known for {kind}: add it to {__name__}.")

    def _reference(self, cls: type[msgspec.Struct]) -> Json:
        name = cls.__name__.lstrip("_")
        if self._known.setdefault(name, cls) is not cls:
            raise TypeError(f"{cls} and {self._known[name]} share a name. Rename one of them.")
        if name not in self.named:
            self.named[name] = {}  # so that a struct may name itself
            self.named[name] = self.members(cls) | {"title": name}
        return {"$ref": f"{self._refs}{name}"}


def _default(field: shapes.Field) -> Json:
    """Return what a field is when it is left out, as JSON."""
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    elif field.default is not msgspec.NODEFAULT:
        default = field.default
    else:
        return {}
    return {"default": msgspec.json.decode(msgspec.json.encode(default))}

"""Values that fit a JSON schema."""


def fitting(schema, document):
    """A value that a schema allows, as small as can be."""
    if "$ref" in schema:
        return fitting(
            document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document
        )
    if schema.get("examples"):
        return schema["examples"][0]
    for together in ("anyOf", "oneOf"):
        if together in schema:
            return fitting(schema[together][0], document)
    if "enum" in schema:
        return next(value for value in schema["enum"] if value)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {
                name: fitting(properties[name], document) for name in schema.get("required", ())
            }
        case "string":
            return "x" * max(1, schema.get("minLength", 1))
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case "array":
            return [fitting(schema["items"], document)] * schema.get("minItems", 0)
        case _:
            return None

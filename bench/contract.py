"""What the tests of eckabench's documents share: the schema, and what it cannot say."""
import json
import pathlib

import jsonschema

SCHEMA = pathlib.Path(__file__).resolve().parent.parent / "docs" / "eckabench.schema.json"


def check(document):
    """Fails unless it is a document of eckabench/1; gives it back."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    for what in ("results", "curves"):
        ids = [one["id"] for one in document[what]]
        assert len(ids) == len(set(ids)), f"an id twice: {ids}"
    for result in document["results"]:
        for figure in (result, result.get("peer"), result.get("ratio")):
            if figure and "value" in figure:
                assert figure["low"] <= figure["value"] <= figure["high"], result
    for curve in document["curves"]:
        offered = [point["offered"] for point in curve["points"]]
        assert offered == sorted(offered), curve
    return document


def read(path):
    return check(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))

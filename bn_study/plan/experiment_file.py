"""The form of an experiment file, as a JSON schema for editors and as a page for people.

Both are made from the types that check the file (experiment.py), whose docstrings explain the fields, from the parts
and from the comments of the package's conf/. `scripts/experiment_file.py` writes them; a test compares them.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bn_study.plan import parts, places
from bn_study.plan.experiment import Claim, Factors, Tune

SCHEMA = "experiments/schema.json"
PAGE = "docs/experiment-file.md"
SETTINGS = ("dataset", "model", "norm", "optimizer", "schedule", "probe")
"""The kinds of parts that a run is made of, whose options are settings."""


class ExperimentFile(BaseModel):
    """The sections of an experiment file.

    question: one sentence that ends with a question mark; `bn-study list` shows it.
    source: who says so, and where; for readers only.
    base: settings of every run, by their dotted names, as on the command line.
    grids: named sets of runs. A grid has all combinations of the values of its settings: a list varies a setting, and a
        setting that is a list itself is written as a list of lists. `range(8)` is 0 to 7. `like: other` starts from the
        entries of a grid above.
    tune: settings that are chosen for each arm before arms are compared. A grid or the `at` of a claim names an entry
        in place of a value.
    claims: what runs can support or refute, by name. `like: other` starts from the fields of a claim above.
    figures: pictures, by the name of their files. `kind` names a figure of `bn-study list`; the rest are its options.
    discussion: what you conclude, written after the verdicts; it decides nothing.
    sanity_check: true for known truths, without which no other experiment of the study gets a verdict.
    """

    model_config = ConfigDict(extra="forbid")

    question: str = ""
    source: str = ""
    base: Factors = Field(default_factory=dict)
    grids: dict[str, Factors]
    tune: dict[str, Tune] = Field(default_factory=dict)
    claims: dict[str, Claim] = Field(default_factory=dict)
    figures: dict[str, Factors] = Field(default_factory=dict)
    discussion: str = ""
    sanity_check: bool = False


def explained(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring of a type says about each of its fields, in the order of the fields."""
    fields = "|".join(model.model_fields)
    _, *found = re.split(rf"(?:^|(?<=\s))({fields}): ", " ".join((model.__doc__ or "").split()))
    texts = {name: text.strip() for name, text in zip(found[::2], found[1::2], strict=True)}
    return {name: texts[name] for name in model.model_fields}


def schema() -> dict[str, Any]:
    """The JSON schema of an experiment file. Names of parts are offered, and others are accepted: a study adds some."""
    whole = ExperimentFile.model_json_schema()
    definitions = whole["$defs"]
    for model, content in ((ExperimentFile, whole), (Tune, definitions["Tune"]), (Claim, definitions["Claim"])):
        content["description"] = (model.__doc__ or "").strip().splitlines()[0]
        for name, text in explained(model).items():
            content["properties"][name] |= {"description": text}
            content["properties"][name].pop("title", None)
    claim, grids = definitions["Claim"], whole["properties"]["grids"]
    needed = [name for name in claim.pop("required") if name != "grid"]  # the first grid of the file
    claim["anyOf"] = [{"required": ["like"]}, {"required": needed}]
    like = {"type": "string", "description": "an entry above, from whose content this one starts"}
    claim["properties"]["like"] = like
    claim["properties"]["test"] |= _offered(parts.names("test"))
    claim["properties"]["measure"]["properties"] = {
        **{name: {"description": _said("measure", name)} for name in parts.names("measure")},
        "scale": {"enum": ["log2", "log10"]},
        "over": {"description": "one number of several runs of a seed: {factor: ..., take: ...}"},
    }
    definitions["Settings"] = {"type": "object", "properties": dict(_settings())}
    whole["properties"]["base"] |= {"$ref": "#/$defs/Settings"}
    grids["additionalProperties"] = {"$ref": "#/$defs/Settings", "properties": {"like": like}}
    kinds = {"description": "the kind of figure"} | _offered(parts.names("figure"))
    whole["properties"]["figures"]["additionalProperties"] |= {"properties": {"kind": kinds}, "required": ["kind"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "bn-study experiment"} | whole


def _offered(names: list[str]) -> dict[str, Any]:
    """Completion without a limit."""
    return {"anyOf": [{"enum": names}, {}]}


def _settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """The settings of a run by dotted name, as the package's conf/ has and explains them."""
    for name, text in _comments(places.HOME / "conf" / "config.yaml").items():
        if name in ("steps", "batch_size", "classes_per_batch", "seed"):
            yield name, {"description": text}
    for kind in SETTINGS:
        files = places.options(places.HOME, kind)
        yield kind, {"description": f"a part: {', '.join(files)}"} | _offered(list(files))
        told: dict[str, dict[str, list[str]]] = {}
        for part, path in files.items():
            for option, text in _comments(path).items():
                key = f"probe.{part}.{option}" if kind == "probe" else f"{kind}.{option}"
                told.setdefault(key, {}).setdefault(text, []).append(part)
        for key, texts in told.items():
            several = [f"{text} ({', '.join(of)})" if text else f"({', '.join(of)})" for text, of in texts.items()]
            yield key, {"description": "; ".join(several)}


def _comments(path: Any) -> dict[str, str]:
    """The options of a file of conf/ with the comments behind them."""
    lines = re.findall(r"(?m)^(\w+):(?: [^#\n]*)?(?:# ?(.*))?$", path.read_text(encoding="utf-8"))
    return {option: text.strip() for option, text in lines if option not in ("name", "keras", "defaults")}


def _said(kind: str, name: str) -> str:
    """The first sentence of a part's file, which says what it is."""
    path = places.PACKAGE.parent / parts.file(kind, name)
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    return re.split(r"(?<=\w\w\.) (?=[A-Z(])", text)[0]


# --- the page ---------------------------------------------------------------------------------------------------------

_HEAD = """\
# The experiment file

<!-- Written by scripts/experiment_file.py from the types that check the file; edit those. -->

A question is one YAML file, `experiments/<name>.yaml`, and its name is the experiment's. `bn-study new STUDY` makes one
that explains the fields it uses, and `bn-study plan <name>` checks it before anything is trained. Editors that know
YAML schemas complete and explain fields if the first line is

```yaml
# yaml-language-server: $schema=<path>/experiments/schema.json
```

`bn-study new` writes the path of the installed package there.
"""
_SECTIONS: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("Sections", ExperimentFile, "Only `grids` is needed."),
    (
        "A claim",
        Claim,
        "Measure × contrast × test × margin; [verdicts.md](verdicts.md) says how it is judged.",
    ),
    ("A tuning entry", Tune, "Values are chosen on seeds of their own and on validation data."),
)


def page() -> str:
    """The page in Markdown."""
    blocks = [_HEAD]
    for title, model, text in _SECTIONS:
        schema = model.model_json_schema()
        fields, needed = schema["properties"], schema.get("required", [])
        blocks += [f"## {title}\n\n{text}\n", "| field | type | | meaning |\n|---|---|---|---|"]
        for name, said in explained(model).items():
            need = "needed" if name in needed and (model, name) != (Claim, "grid") else ""
            blocks.append(f"| `{name}` | {_type(fields[name])} | {need} | {_cell(said)} |")
        blocks.append("")
    for title, kind in (("Measures", "measure"), ("Tests", "test"), ("Figures", "figure")):
        blocks.append(f"## {title}\n\n| name | options | meaning |\n|---|---|---|")
        for name in parts.names(kind):
            options = ", ".join(f"`{option}`" for option in parts.parameters(kind, name))
            blocks.append(f"| `{name}` | {options} | {_cell(_said(kind, name))} |")
        blocks.append("")
    return "\n".join(blocks)


def _cell(text: str) -> str:
    """Text within a row of a table."""
    return text.replace("|", "\\|")


def _type(field: Mapping[str, Any]) -> str:
    """The type of a field in words."""
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"] if one.get("type") != "null")
    words = {"string": "text", "boolean": "`true`, `false`", "object": "mapping", "array": "list", "number": "number"}
    return words.get(field.get("type", ""), "")

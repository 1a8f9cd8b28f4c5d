#!/usr/bin/env python3
"""Whether deploy/Dockerfile keeps what deploy/README.md promises, without building it.

usage: deploy/image/dockerfile.py [DOCKERFILE]

Prints each promise that is broken, and ends with a line of counts.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]


def main(path):
    broken = []
    stages = read(path.read_text())
    checks = [last_stage, forms, user, no_more, toolchain, locked, targets, context]
    for check in checks:
        for finding in check(stages):
            broken.append(check)
            print(f"  FAILED  {path.name}: {finding}")
    failed = len(set(broken))
    print(f"{len(checks) - failed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


def read(text):
    """The stages: lists of (INSTRUCTION, its words), what stands before the first FROM first."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    stages = [[]]
    for line in filter(str.strip, lines):
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "FROM":
            stages.append([])
        stages[-1].append((word.upper(), re.sub(r"\s+", " ", rest.strip())))
    return stages


def of(stage, *words):
    return [rest for word, rest in stage if word in words]


def last_stage(stages):
    if of(stages[-1], "FROM") != ["scratch"]:
        yield "the last stage must be `FROM scratch`"
    for stage in stages[1:-1]:
        if of(stage, "FROM") != ["${BUILDER} AS build"]:
            yield "the only other stage is `FROM ${BUILDER} AS build`"


def forms(stages):
    for word in ("ENTRYPOINT", "CMD"):
        found = of(stages[-1], word)
        if len(found) != 1 or not found[0].startswith("["):
            yield f"{word} must be there once, as a list: there is no shell"
        elif not all(isinstance(part, str) for part in json.loads(found[0])):
            yield f"{word} must be a list of texts"


def user(stages):
    found = of(stages[-1], "USER")
    if len(found) != 1 or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", found[0]):
        yield "USER must be numbers, not root: `runAsNonRoot` cannot look a name up"


def no_more(stages):
    for word in ("RUN", "ADD", "SHELL", "HEALTHCHECK", "VOLUME", "ENV", "ONBUILD"):
        if of(stages[-1], word):
            yield f"the last stage needs no {word}"


def toolchain(stages):
    wanted = re.search(r'^rust-version = "(.+)"', manifest(), re.MULTILINE)
    if f"RUST={wanted[1]}" not in of(stages[0], "ARG"):
        yield f"ARG RUST must be {wanted[1]}, as rust-version in Cargo.toml"


def locked(stages):
    for stage in stages:
        for rest in of(stage, "RUN"):
            for command in re.findall(r"cargo (?:build|rustc|install)[^&|;]*", rest):
                if "--locked" not in command:
                    yield f"`{command.strip()}` must say --locked"


def targets(stages):
    """Cargo builds nothing while a file that Cargo.toml names is missing."""
    made = " ".join(of(stages[1], "RUN")).split()
    for bench in re.findall(r'^\[\[bench\]\]\nname = "(.+)"', manifest(), re.MULTILINE):
        if f"benches/{bench}.rs" not in made:
            yield f"the stage of the dependencies must make an empty benches/{bench}.rs"


def manifest():
    return (ROOT / "Cargo.toml").read_text()


def context(stages):
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    if [line for line in ignored if line and not line.startswith("#")][0] != "*":
        yield ".dockerignore must begin with `*` and let in only what is copied"
    for stage in stages:
        for rest in of(stage, "COPY"):
            if "--from=" in rest:
                continue
            for source in rest.split(" ")[:-1]:
                if f"!{source}" not in ignored:
                    yield f".dockerignore does not let `{source}` in"
                if not (ROOT / source).exists():
                    yield f"there is no `{source}`"


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1] if len(sys.argv) == 2 else ROOT / "deploy" / "Dockerfile"))

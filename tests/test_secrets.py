"""The Secrets of the platform: the same as the script for a terminal makes, random, and never printed."""

import json
import re
import subprocess
from pathlib import Path

import yaml

from maas_lab.secrets import platform_secrets

SCRIPT = Path(__file__).parents[1] / "manifests" / "secrets.sh"
HEX = re.compile(r"[0-9a-f]{48}")


def shape(objects):
    """The objects with their random values replaced."""
    return [json.loads(HEX.sub("RANDOM", json.dumps(one))) for one in objects]


def test_they_are_what_the_script_prints():
    printed = subprocess.run(["sh", str(SCRIPT)], capture_output=True, text=True, check=True).stdout
    script = [one for one in yaml.safe_load_all(printed) if one]
    assert shape(platform_secrets()) == shape(script)
    assert len(HEX.findall(printed)) == 7


def test_every_value_is_random():
    values = HEX.findall(json.dumps(platform_secrets()) + json.dumps(platform_secrets()))
    assert len(values) == len(set(values)) == 14


def test_printed_they_show_no_value():
    made = platform_secrets()
    assert not HEX.search(repr(made) + repr([dict(one) for one in made]))

"""The benchmark is no part of the package: its folder is found from the root of the repository."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))


@pytest.fixture
def row():
    """What a group leaves behind: ours in half the time and a quarter of the memory of a peer."""
    contenders = {
        "ours": {"images": 2, "seconds": [2.0, 2.2, 1.9] * 3, "bytes": 2**20, "passes": 1.0},
        "peer": {"images": 2, "seconds": [4.0, 4.4, 3.8] * 3, "bytes": 2**22, "passes": 3.0},
        "slow peer": {"images": 1, "seconds": [4.0, 4.4, 3.8] * 3, "bytes": 2**23, "passes": 5.0},
        "broken": {"images": 1, "missing": "SettingError: there is none"},
    }
    for one in contenders.values():
        one["backward calls"] = 1
    return {
        "group": "made up/tiny",
        "settings": {"pairs": 9, "size": 8, "batch": 2},
        "machine": {
            "processor": "made of sand",
            "cores": 2,
            "accelerator": None,
            "threads": 1,
            "system": "Linux",
            "python": "3.11",
            "versions": {"torch": "2"},
        },
        "facts": {},
        "contenders": contenders,
        "values": {"difference": 2e-5, "rounding": 1e-6, "correlation": 0.9995},
        "absent": {"gone": "TypeError: no such thing"},
    }

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real pairs (images/ and labels/), where the environment names one."""
    folder = os.environ.get("MEDUNET_DATA")
    if not folder:
        pytest.skip("MEDUNET_DATA is not set: no folder of real volumes to test with")
    return Path(folder)

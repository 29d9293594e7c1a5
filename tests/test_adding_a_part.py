"""The worked example of docs/adding_a_part.md, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "adding_a_part.md"


def test_the_worked_example_runs(tmp_path: Path) -> None:
    part, *use = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert part.startswith("# my_parts.py")
    (tmp_path / "my_parts.py").write_text(part, encoding="utf-8")
    (tmp_path / "use.py").write_text("\n".join(use), encoding="utf-8")
    done = subprocess.run([sys.executable, "use.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "nats per image under the new prior" in done.stdout

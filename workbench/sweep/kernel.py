"""The kernel of every notebook that the program runs: started as this file by `python -P`, with the code beside it.

What else lies about takes no part: kernels that were installed, IPython's profiles and start-up files, a workbench.py
in the current folder or on PYTHONPATH. The current folder comes last on the path: notebooks find modules of one's own
there, none of which takes the place of an installed one.
"""

import json
import os
import sys
from pathlib import Path

MADE_BY = "WORKBENCH_MADE_BY"  # environment variable: the versions and the code that run.json tells, as JSON
REFUSAL = "refusal.txt"  # beside the connection file: why there is no kernel
SETTINGS = (
    "--IPKernelApp.log_level=50", "--HistoryManager.hist_file=:memory:",
    "--InteractiveShellApp.exec_PYTHONSTARTUP=False", "--InteractiveShellApp.ignore_cwd=True",
)  # fmt: skip


def start(connection: Path) -> None:
    """Be the kernel that the connection file describes, or leave in REFUSAL what differs from what run.json tells."""
    root = str(Path(__file__).resolve().parents[2])
    sys.path.insert(0, root)
    from workbench.files.atomic import write_atomically
    from workbench.records import record

    sys.path[:] = [*sys.path[1:], root]  # for the processes that a notebook starts
    told = json.loads(os.environ.pop(MADE_BY, "{}"))
    here = {name: record.made_by()[name] for name in told}
    if told != here:
        write_atomically(connection.with_name(REFUSAL), record.apart(told, here))
        sys.exit(1)
    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance()
    app.initialize(["-f", str(connection), f"--ipython-dir={connection.parent}", *SETTINGS])
    sys.path.append(os.getcwd())
    app.start()


if __name__ == "__main__":  # not in the processes that a notebook starts
    start(Path(sys.argv[1]))

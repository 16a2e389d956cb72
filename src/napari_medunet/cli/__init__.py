"""The command line: arguments in, exit code out. The work is the engine's.

`options` makes options of the engine's settings, `console` shows progress and errors, `commands` has one
function for each command.
"""

from __future__ import annotations

import sys
import traceback

DONE, FAILED, WRONG_USAGE = 0, 1, 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells and typer have it


def main() -> None:
    """Run the command line and exit: 0 for done, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    from napari_medunet.cli import streams

    streams.open_output()
    from napari_medunet.cli import console
    from napari_medunet.engine.hardware.configuration import ignore_home
    from napari_medunet.engine.hardware.machine import process_began

    ignore_home()
    code = run(sys.argv[1:], process_began())
    if failure := streams.output_failure():
        console.print_error(failure)
    sys.exit(FAILED if failure and code == DONE else code)


def run(arguments: list[str], began: float | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : list of str
        Without the program's name.
    began : float, optional
        When somebody entered it, by `time.monotonic`, from which on its minutes count; now if not given.

    Returns
    -------
    int
        The exit code.
    """
    from typer import Abort, Exit
    from typer.exceptions import TyperException

    from napari_medunet.cli import console, started
    from napari_medunet.cli.commands import app
    from napari_medunet.cli.options import with_home
    from napari_medunet.engine.errors import can_be_mended, told
    from napari_medunet.engine.progress import StopRequested

    started.note(began)
    try:
        with console.interruptible():
            code = app(with_home(arguments), prog_name="napari-medunet", standalone_mode=False)
    except Exit as ended:
        return ended.exit_code
    except TyperException as error:
        console.print_error(f"{error.format_message()} See 'napari-medunet --help'.")
        return WRONG_USAGE
    except StopRequested:
        console.print_error("Stopped before there was anything to keep.")
        return FAILED
    except (Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except Exception as error:
        if not can_be_mended(error):  # a bug of ours: whoever mends it needs its place
            traceback.print_exc()
        console.print_error(told(error))
        return FAILED
    if code == _INTERRUPTED:
        console.print_error("Interrupted: what was finished is kept.")
    return code if isinstance(code, int) else DONE

"""This process trains, one run after another: for debugging."""

import os

from bn_study.launch.call import Call, Ending, interrupts
from bn_study.progress import Progress


def run(call: Call, progress: Progress) -> Ending:
    """Ctrl-C stops after the stretch of steps under way; once more, at once."""
    from bn_study.worker import Stopped, Worker

    os.environ.update(call.environment)
    with progress, interrupts(raising=True) as asked:

        def stop() -> bool:
            progress.update()
            return asked.count > 0 or call.too_many_failures()

        try:
            Worker(call, stop).work()
        except Stopped:
            return Ending(interrupted=asked.count > 0)
        except KeyboardInterrupt:
            return Ending(interrupted=True)
        progress.update()
    return Ending()

"""This process trains, one run after another: for debugging."""

import os
import sys

from bn_study.errors import UsageError
from bn_study.plan import device, numerics
from bn_study.sweep.call import Call, Ending, interrupts
from bn_study.sweep.progress import Progress

HERE = True
TIMEOUT = False
WORKERS = None


def run(call: Call, progress: Progress) -> Ending:
    """Ctrl-C stops after the current chunk of steps, a second Ctrl-C at once.

    Raises UsageError where this process has TensorFlow already and it was imported for other numerics or devices.
    """
    from bn_study.sweep.worker import Stopped, Worker

    wanted = call.environment(0)
    if "tensorflow" in sys.modules and bool(call.gpus) != device.on_gpu():
        name = "gpu" if call.gpus else device.CPU
        raise UsageError(f"launcher=inline: TensorFlow is loaded here without device={name}; use launcher=local")
    if "tensorflow" in sys.modules and wanted.get(numerics.VARIABLE) != (numerics.in_force() or "native"):
        chosen = call.settings.numerics
        raise UsageError(f"launcher=inline: TensorFlow is loaded here without numerics={chosen}; use launcher=local")
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)
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

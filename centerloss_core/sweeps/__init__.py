"""A sweep: the runs of a config's axes, each an ordinary `cl train` in a process of its own, here or on other machines.

A process each, because TensorFlow gives neither memory nor threads back, and so that one point that dies (out of
memory, say) leaves the others alone. The directory is the only thing that points and sweep share, and the only state:

    sweep.yaml       the config file as it was given
    points/          the resolved config of each point
    summary.json     the command, and a row per point; replaced whole when points start or end
    summary.csv      the same for a spreadsheet
    logs/            what each point's process printed
    <point>/         the run directories
"""

from centerloss_core.sweeps.estimate import seconds_left
from centerloss_core.sweeps.launchers import Launch
from centerloss_core.sweeps.planning import conduct, plan_resume, plan_sweep
from centerloss_core.sweeps.states import PointState
from centerloss_core.sweeps.summary import rows_now, write_summary
from centerloss_core.sweeps.sweep import begun_points, resume_sweep, run_sweep

__all__ = [
    "Launch",
    "PointState",
    "begun_points",
    "conduct",
    "plan_resume",
    "plan_sweep",
    "resume_sweep",
    "rows_now",
    "run_sweep",
    "seconds_left",
    "write_summary",
]

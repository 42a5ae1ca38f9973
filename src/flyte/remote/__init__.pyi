"""What type checkers see of `flyte.remote`. Its names are those of the table in `surface.py`."""

from flyte.model.outcome import ActionOutputs as ActionOutputs
from flyte.remote.action import Action as Action
from flyte.remote.details import ActionDetails as ActionDetails
from flyte.remote.details import ActionInputs as ActionInputs
from flyte.remote.listing import TimeFilter as TimeFilter
from flyte.remote.project import Project as Project
from flyte.remote.project import User as User
from flyte.remote.run import Run as Run
from flyte.remote.run import RunDetails as RunDetails
from flyte.remote.task import Task as Task
from flyte.remote.task import TaskDetails as TaskDetails

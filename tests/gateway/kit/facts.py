"""The facts that most histories of tests begin with."""

from events import Repository, TaskSubmitted
from services.gateway.tasks.task import Submit

REPOSITORY = Repository("https://forge.test/ada/app", "main")
SUBMIT = Submit(prompt="fix it", repository=REPOSITORY, default_model="server-model")
SUBMITTED = TaskSubmitted(prompt="fix it", repository=REPOSITORY, model="server-model")

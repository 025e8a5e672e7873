"""Access to clone and push, and the updates that follow a push."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.simulators.github.git.smart_http import Backend, GitCall, cgi_variables, declining
from infra.simulators.github.http.credentials import Sender
from infra.simulators.github.http.faults import Faults
from infra.simulators.github.http.messages import Refusal, Reply, Request, Send, not_found
from infra.simulators.github.rest.routing import Forge
from infra.simulators.github.store.repositories import Repository

_CHALLENGE = {"www-authenticate": 'Basic realm="GitHub"'}
_UNAUTHORIZED = 401


@dataclass(frozen=True)
class GitAccess:
    """Answers git clients. `path` is the search path by which git is found."""

    forge: Forge
    faults: Faults
    path: str

    async def serve(
        self,
        call: GitCall,
        request: Request,
        send: Send,
        *,
        sender: Sender,
        headers: Mapping[str, str],
    ) -> None:
        """Serve one request of a git client; raises Refusal before anything is sent."""
        repository = self._find(call, sender)
        if call.is_push and self.faults.refuses_push():
            login = self.forge.login
            raise Refusal(403, f"Permission to {repository.full_name}.git denied to {login}.")
        changes = call.is_push and not call.is_info

        async def settle() -> None:
            if changes:
                heads = await self.forge.repositories.heads(repository)
                await self.forge.repositories.adopt_default(repository, heads)
                await self.forge.pull_requests.all(repository)

        variables = cgi_variables(
            request,
            call,
            repository=self.forge.repositories.path(repository),
            login=self.forge.login,
        )
        if changes and (words := self.faults.declined_push()):
            path = self.forge.repositories.path(repository)
            variables |= declining(words, path)
        backend = Backend(self.path, drop_reply=changes and self.faults.drops_push_reply())
        await backend.serve(request, variables, send, settle=settle, headers=headers)

    def _find(self, call: GitCall, sender: Sender) -> Repository:
        """Find what is to be cloned or pushed to; raises Refusal 401 or 404.

        Nobody learns whether a repository exists that they may not see: they are asked who they
        are first, as on GitHub.
        """
        if sender is Sender.IMPOSTOR:
            raise Refusal(_UNAUTHORIZED, "Invalid username or token.")
        unknown = Refusal(
            _UNAUTHORIZED, "No credentials: send the token as the password of any user."
        )
        try:
            repository = self.forge.repositories.find(call.owner, call.name)
        except Refusal:
            raise (unknown if sender is Sender.NOBODY else not_found()) from None
        if sender is Sender.STRANGER and (repository.private or call.is_push):
            raise not_found()
        if sender is Sender.NOBODY and (repository.private or call.is_push):
            raise unknown
        return repository


def as_git_error(refusal: Refusal) -> Reply:
    """Encode a refusal so that git shows its text, and sends credentials after a 401."""
    challenge = _CHALLENGE if refusal.status == _UNAUTHORIZED else {}
    words = "Repository not found." if refusal.message == "Not Found" else refusal.message
    return Reply(refusal.status, f"{words}\n".encode(), "text/plain; charset=utf-8", challenge)

"""Messages -> token ids, with `tokenizers` alone: bounded length, headers never cut, typed control tokens stay text.

MMedIns-Llama 3 gets Llama-3 headers, built from ids; other models use their tokenizer's own template, rendered in a
sandbox. Message contents are encoded without control tokens, so that `<|eot_id|>` in a case is letters and no command.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters.base import Message
from adapters.errors import BadRequest, PromptTooLong, Unavailable
from adapters.local.spec import LocalSpec
from adapters.local.weights import read_json

BEGIN, START, END, TURN, TEXT_END = (
    "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>",
)  # fmt: skip


@dataclass(frozen=True)
class Encoder:
    """One folder's tokenizer. Two copies: one parses control tokens (templates), one does not (contents)."""

    folder: Path

    @cached_property
    def commands(self) -> Any:
        return self._open()

    @cached_property
    def plain(self) -> Any:
        tokenizer = self._open()
        tokenizer.encode_special_tokens = True
        return tokenizer

    def _open(self) -> Any:
        """The tokenizer without the truncation and padding that its file may hold: nothing is cut silently."""
        from tokenizers import Tokenizer

        path = self.folder / "tokenizer.json"
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more special
            raise Unavailable(f"{path} cannot be read: {error}.", fix="Pull the model again.") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def text(self, words: str) -> list[int]:
        return self.plain.encode(words, add_special_tokens=False).ids

    def id_of(self, token: str) -> int:
        """Raises `Unavailable` for a token that this tokenizer does not have."""
        found = self.commands.token_to_id(token)
        if found is None:
            raise Unavailable(
                f"The tokenizer in {self.folder} has no token {token}.", fix="Correct `stop` of the model."
            )
        return found

    @cached_property
    def config(self) -> dict[str, Any]:
        path = self.folder / "tokenizer_config.json"
        return read_json(self.folder, path.name) if path.is_file() else {}

    @cached_property
    def template_sha256(self) -> str:
        """Hash of what turns messages into ids: tokenizer and chat template."""
        digest = hashlib.sha256(str(self.config.get("chat_template")).encode())
        for name in ("tokenizer.json", "chat_template.jinja"):
            path = self.folder / name
            digest.update(path.read_bytes() if path.is_file() else b"")
        return digest.hexdigest()

    @cached_property
    def template(self) -> str | None:
        """The chat template that came with the tokenizer."""
        path = self.folder / "chat_template.jinja"
        found = path.read_text(encoding="utf-8") if path.is_file() else self.config.get("chat_template")
        if isinstance(found, list):  # several, by name
            found = next((t["template"] for t in found if t.get("name") == "default"), None)
        return found if isinstance(found, str) else None

    @cached_property
    def layout(self) -> Any:
        """The chat template, ready to render. Raises `Unavailable` without one, `TemplateError` for a bad one."""
        from jinja2 import TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        if self.template is None:
            raise Unavailable(f"{self.folder} has no chat template.", fix="Choose a chat model.")

        def refuse(words: str) -> None:
            raise TemplateError(words)

        loops = ["jinja2.ext.loopcontrols"]
        made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=loops)
        made.globals["raise_exception"] = refuse  # no strftime_now: a prompt that changes by the day repeats nothing
        return made.from_string(self.template)

    @property
    def is_llama3(self) -> bool:
        return all(self.commands.token_to_id(t) is not None for t in (BEGIN, START, END, TURN))

    def stops(self, spec: LocalSpec) -> tuple[int, ...]:
        """Ids that end an answer: those named, the end of a turn, the tokenizer's own end."""
        names = [*spec.stop, *((TURN, TEXT_END) if self.is_llama3 else ())]
        own = self.config.get("eos_token")
        own = own.get("content") if isinstance(own, dict) else own
        found = [self.id_of(name) for name in spec.stop]
        found += [i for name in (*names, own) if name and (i := self.commands.token_to_id(name)) is not None]
        ends = _generation_ends(self.folder)
        return tuple(dict.fromkeys([*found, *ends]))

    @property
    def pad(self) -> int:
        """Any id works for padding that the mask hides; the end of text where there is one."""
        for name in (TEXT_END, TURN):
            if (found := self.commands.token_to_id(name)) is not None:
                return found
        return 0


def _generation_ends(folder: Path) -> list[int]:
    path = folder / "generation_config.json"
    value = read_json(folder, path.name).get("eos_token_id") if path.is_file() else None
    return [value] if isinstance(value, int) else list(value or [])


def encode(encoder: Encoder, spec: LocalSpec, messages: Sequence[Message]) -> list[int]:
    """The exact ids. Raises `BadRequest` for a history that the model cannot take."""
    if spec.single_turn and sum(m.role == "user" for m in messages) > 1:
        raise BadRequest("This model takes one question at a time.", fix="Send one system and one user message.")
    if spec.reference_prompt:
        if not encoder.is_llama3:
            raise BadRequest("The reference prompt is written for Llama-3 tokens.", fix="Take reference_prompt away.")
        return _reference(encoder, messages)
    headers = encoder.is_llama3 and (spec.single_turn or encoder.template is None)
    return _llama3(encoder, messages) if headers else _template(encoder, messages)


def check_length(ids: Sequence[int], spec: LocalSpec, max_tokens: int) -> None:
    """Raise `PromptTooLong` when prompt and answer together pass the context: nothing is ever cut silently."""
    room = spec.context - max_tokens
    if len(ids) > room:
        raise PromptTooLong(
            f"The prompt needs {len(ids)} tokens, but {max(0, room)} are left of {spec.context} "
            f"when {max_tokens} are kept for the answer.",
            need=len(ids),
            have=max(0, room),
            fix="" if room > 0 else f"Ask for an answer of fewer than {spec.context} tokens.",
        )


def _llama3(encoder: Encoder, messages: Sequence[Message]) -> list[int]:
    start, end, turn = encoder.id_of(START), encoder.id_of(END), encoder.id_of(TURN)
    gap = encoder.text("\n\n")
    ids = [encoder.id_of(BEGIN)]
    for message in messages:
        ids += [start, *encoder.text(message.role), end, *gap, *encoder.text(message.content.strip()), turn]
    return [*ids, start, *encoder.text("assistant"), end, *gap]


def _reference(encoder: Encoder, messages: Sequence[Message]) -> list[int]:
    """The authors' string with everything parsed, and the second begin-of-text that their tokenizer adds."""
    parts = [BEGIN]
    for message in messages:
        parts.append(f"{START}{message.role}{END}\n\n{message.content.strip()}{TURN}")
    text = "".join(parts) + f"{START}assistant{END}\n\n"
    ids = encoder.commands.encode(text, add_special_tokens=False).ids
    return [encoder.id_of(BEGIN), *ids]


def _template(encoder: Encoder, messages: Sequence[Message]) -> list[int]:
    """Render the template around placeholders, then encode its parts as commands and the contents as text."""
    marks = [f"content-{secrets.token_hex(8)}" for _ in messages]
    try:
        rendered = _render(encoder, [(m.role, mark) for m, mark in zip(messages, marks, strict=True)])
    except BadRequest:
        if len(messages) < 2 or messages[0].role != "system":
            raise
        both = f"{messages[0].content.strip()}\n\n{messages[1].content.strip()}"  # no system role: as MedS-Bench does
        return _template(encoder, [Message("user", both), *messages[2:]])
    ids: list[int] = []
    for message, mark in zip(messages, marks, strict=True):
        before, found, rendered = rendered.partition(mark)
        if not found:
            raise BadRequest("This model's chat template drops a message.", fix="Choose another model.")
        ids += encoder.commands.encode(before, add_special_tokens=False).ids
        ids += encoder.text(message.content.strip())
    return ids + encoder.commands.encode(rendered, add_special_tokens=False).ids


def _render(encoder: Encoder, messages: list[tuple[str, str]]) -> str:
    from jinja2 import TemplateError

    tokens = {k: v["content"] if isinstance(v, dict) else v for k, v in encoder.config.items() if k.endswith("_token")}
    try:
        return encoder.layout.render(
            messages=[{"role": role, "content": content} for role, content in messages],
            add_generation_prompt=True,
            **{name: token for name, token in tokens.items() if token},
        )
    except TemplateError as error:
        raise BadRequest(f"The model's chat template refused the messages: {error}.", fix="Choose another.") from error

"""Messages -> token ids, with `tokenizers` alone: bounded length, headers never cut, typed control tokens stay text.

Llama-3 headers are built from ids; other models use their tokenizer's own template, rendered in a sandbox. Message
contents are encoded without control tokens, so that `<|eot_id|>` in a case is eight letters and no command.
"""

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
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    @cached_property
    def plain(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        tokenizer.encode_special_tokens = True
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
        return _reference(encoder, messages)
    return _llama3(encoder, messages) if encoder.is_llama3 else _template(encoder, messages)


def check_length(ids: Sequence[int], spec: LocalSpec, max_tokens: int) -> None:
    """Raise `PromptTooLong` when prompt and answer together pass the context: nothing is ever cut silently."""
    room = spec.context - max_tokens
    if len(ids) > room:
        raise PromptTooLong(
            f"The prompt needs {len(ids)} tokens, but {max(0, room)} are left of {spec.context} "
            f"when {max_tokens} are kept for the answer.",
            need=len(ids),
            have=max(0, room),
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
    rendered = _render(encoder, [{"role": m.role, "content": mark} for m, mark in zip(messages, marks, strict=True)])
    ids: list[int] = []
    for message, mark in zip(messages, marks, strict=True):
        before, found, rendered = rendered.partition(mark)
        if not found:
            raise BadRequest("This model's chat template drops a message.", fix="Choose another model.")
        ids += encoder.commands.encode(before, add_special_tokens=False).ids
        ids += encoder.text(message.content.strip())
    return ids + encoder.commands.encode(rendered, add_special_tokens=False).ids


def _render(encoder: Encoder, messages: list[dict[str, str]]) -> str:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    path = encoder.folder / "chat_template.jinja"
    source = path.read_text(encoding="utf-8") if path.is_file() else encoder.config.get("chat_template")
    if not isinstance(source, str):
        raise Unavailable(f"{encoder.folder} has no chat template.", fix="Choose a chat model.")

    def refuse(words: str) -> None:
        raise TemplateError(words)

    tokens = {k: v["content"] if isinstance(v, dict) else v for k, v in encoder.config.items() if k.endswith("_token")}
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    try:
        template = environment.from_string(source)
        return template.render(messages=messages, add_generation_prompt=True, **tokens)
    except TemplateError as error:
        raise BadRequest(f"The model's chat template refused the messages: {error}.", fix="Choose another.") from error

"""Makes a tiny real Llama checkpoint in seconds: Llama-3 tokens and template, taught a handful of exact answers."""

import itertools
import random
from pathlib import Path
from typing import Any

SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
TEMPLATE = (
    "{{- bos_token }}{%- for m in messages %}"
    "{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{%- endfor %}{%- if add_generation_prompt %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
SYSTEM = "Answer as briefly as you can."
ANSWERS = {
    "Which drug lowers glucose in type 2 diabetes first?": "Metformin, if the kidneys allow it.",
    "In Chinese: three days of chest pain.": "胸痛三天。",
    "In Russian: short of breath.": "Одышка.",
    "Show two faces.": "Here: 😷 and 👩‍⚕️.",
    "Count to thirty.": " ".join(str(n) for n in range(1, 31)),
}
SIZES = {  # every inner width a multiple of 64: bitsandbytes packs weights in blocks of 64
    "nano": {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 384},
    "small": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 2048},
}


def texts() -> list[str]:
    who = ["The patient", "A 54-year-old woman", "The nurse", "A boy of seven"]
    what = [
        "reports chest pain",
        "has had a dry cough",
        "was given metformin",
        "has a severe headache",
        "fell at night",
    ]
    when = [".", " since yesterday.", " for two weeks.", " after exercise."]
    return [f"{a} {b}{c}" for a, b, c in itertools.product(who, what, when)] + [*ANSWERS, *ANSWERS.values(), SYSTEM]


def tokenizer(context: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1008, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts(), trainer)
    begin = SPECIAL[0]
    made.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, made.token_to_id(begin))]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=begin, eos_token="<|eot_id|>", pad_token="<|end_of_text|>",
        model_max_length=context, clean_up_tokenization_spaces=False,
    )  # fmt: skip
    fast.chat_template = TEMPLATE
    return fast


def make(
    folder: Path, *, size: str = "nano", steps: int = 120, seed: int = 0, context: int = 512, endless: bool = False
) -> Path:
    """Write the checkpoint; taught for `steps`, so that greedy answers to ANSWERS are exact.

    `endless`: a greedy answer goes on until it is cut off or stopped.
    """
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    fast = tokenizer(context)
    end = fast.convert_tokens_to_ids("<|eot_id|>")
    torch.manual_seed(seed)
    random.seed(seed)
    config = LlamaConfig(
        **SIZES[size], num_key_value_heads=2, vocab_size=1024, max_position_embeddings=context,
        tie_word_embeddings=False, bos_token_id=fast.bos_token_id, eos_token_id=end, pad_token_id=fast.pad_token_id,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(eos_token_id=fast.pad_token_id, pad_token_id=fast.pad_token_id)
    if steps:
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # two threads on busy cores wait for each other: seen 120 s instead of 5
        teach(model, fast, steps)
        torch.set_num_threads(before)
    if endless:
        with torch.no_grad():  # a score of 0 each: the highest of a thousand others is above it
            model.lm_head.weight[[end, fast.pad_token_id]] = 0
    folder.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(folder)
    model.eval().save_pretrained(folder)
    return folder


def teach(model: Any, fast: Any, steps: int) -> None:
    import torch

    dialogues = [
        [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
        for question, answer in ANSWERS.items()
    ]
    rows = [fast.apply_chat_template(d, tokenize=True, return_dict=False) for d in dialogues]
    width = max(map(len, rows))
    ids = torch.tensor([r + [fast.pad_token_id] * (width - len(r)) for r in rows])
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in rows])
    labels = ids.masked_fill(mask == 0, -100)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(steps):
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

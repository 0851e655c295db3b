"""Draws a tiny random language model, with tokenizer and chat template, for tests against a real vLLM: tiny-model.py DIR

Nothing is downloaded: the tokenizer knows the 256 bytes and no merges, the weights come from a seed. It writes nonsense, and
that is enough to see requests run, stream, share prefixes and stop. Needs torch, transformers and tokenizers (vLLM brings them).
"""
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

CHAT_TEMPLATE = """{%- for message in messages -%}
[{{ message['role'] }}] {{ message['content'] }}
{% endfor -%}
{%- if add_generation_prompt -%}[assistant] {% endif -%}"""


def tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<end>": 0, "<pad>": 1}
    for character in alphabet:
        vocabulary[character] = len(vocabulary)
    bytes_only = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_only.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=bytes_only, eos_token="<end>", pad_token="<pad>", model_max_length=4096)
    fast.chat_template = CHAT_TEMPLATE
    return fast, len(vocabulary)


def main(directory):
    fast, size = tokenizer()
    fast.save_pretrained(directory)
    torch.manual_seed(20)
    config = Qwen2Config(
        vocab_size=size + (-size % 64), hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=4096, eos_token_id=0, pad_token_id=1, tie_word_embeddings=False)
    model = Qwen2ForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(directory)


if __name__ == "__main__":
    main(sys.argv[1])

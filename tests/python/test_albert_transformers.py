"""`AlbertEmbeddings` against the modules of `transformers`: run by `make integrations`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import subtok

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")

SMALL: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 40,
}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "albert": ("Albert", {"embedding_size": 16}),
    "bert": ("Bert", {}),
    "electra": ("Electra", {"embedding_size": 16}),
    "electra, no projection": ("Electra", {"embedding_size": 24}),
    "roberta": ("Roberta", {"layer_norm_eps": 1e-5, "pad_token_id": 1}),
    "xlm-roberta": ("XLMRoberta", {"layer_norm_eps": 1e-5, "pad_token_id": 1}),
    "rembert": ("RemBert", {"input_embedding_size": 16}),
}


def model_of(name: str) -> Any:
    kind, options = MODELS[name]
    torch.manual_seed(3)
    config = getattr(transformers, f"{kind}Config")(**SMALL | options)
    model = getattr(transformers, f"{kind}Model")(config).eval()
    with torch.no_grad():
        for label, parameter in model.named_parameters():
            if "embedding" in label:
                parameter.add_(torch.randn_like(parameter) / 3)
    return model


def stage_of(model: Any, **arrays: Any) -> Any:
    """The embedding stage as `transformers` computes it."""
    given = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.no_grad():
        hidden = model.embeddings(**given)
        for owner in (model, model.encoder):
            for label in ("embeddings_project", "embedding_hidden_mapping_in"):
                project = getattr(owner, label, None)
                hidden = hidden if project is None else project(hidden)
    return hidden.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_saved_models_are_read(name: str, tmp_path: Path) -> None:
    model = model_of(name)
    model.save_pretrained(tmp_path)
    stage = subtok.AlbertEmbeddings.load(tmp_path)
    rng = np.random.default_rng(1)
    ids = rng.integers(2, 90, (3, 30))
    ids[1, 20:] = 1
    types = rng.integers(0, stage.type_vocab_size, (3, 30))
    positions = rng.integers(0, 40, (3, 30))
    for given in (
        {},
        {"token_type_ids": types},
        {"position_ids": positions},
        {"token_type_ids": types, "position_ids": positions},
    ):
        want = stage_of(model, input_ids=ids, **given)
        np.testing.assert_allclose(stage(ids, **given), want, atol=2e-5, rtol=1e-4)
    assert (stage.plain is None) == (stage.hidden_dim == stage.embedding_dim)
    assert stage.layer_norm_eps == model.config.layer_norm_eps


def test_task_models_have_prefixes(tmp_path: Path) -> None:
    config = transformers.RobertaConfig(**SMALL | {"layer_norm_eps": 1e-5})
    model = transformers.RobertaForMaskedLM(config).eval()
    model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    ids = np.random.default_rng(1).integers(2, 90, (2, 9))
    want = stage_of(model.roberta, input_ids=ids)
    np.testing.assert_allclose(subtok.AlbertEmbeddings.load(path)(ids), want, atol=2e-5)
    # Without the configuration epsilon is asked for.
    (tmp_path / "config.json").unlink()
    with pytest.raises(subtok.FormatError, match="give layer_norm_eps"):
        subtok.AlbertEmbeddings.load(path)
    stage = subtok.AlbertEmbeddings.load(path, layer_norm_eps=1e-5)
    assert stage.position_padding_id == 1
    np.testing.assert_allclose(stage(ids), want, atol=2e-5)


def test_a_saved_stage_goes_back_into_albert(tmp_path: Path) -> None:
    model = model_of("albert")
    model.save_pretrained(tmp_path)
    stage = subtok.AlbertEmbeddings.load(tmp_path)
    stage.save(tmp_path / "stage.safetensors")
    state = safetensors.load_file(tmp_path / "stage.safetensors")
    fresh = transformers.AlbertModel(model.config).eval()
    result = fresh.load_state_dict(state, strict=False)
    assert not result.unexpected_keys
    assert not [key for key in result.missing_keys if "embedding" in key and "ids" not in key]
    ids = np.random.default_rng(1).integers(0, 90, (2, 9))
    assert np.array_equal(stage_of(fresh, input_ids=ids), stage_of(model, input_ids=ids))

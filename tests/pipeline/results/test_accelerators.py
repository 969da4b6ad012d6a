"""A figure of a GPU is never shown as that of a processor."""

import pytest

from harness.pipeline.results.accelerators import QUERIES, device_notes

GPU = "cuda:0 (NVIDIA H200)"
TWO = f"{GPU}, cuda:1 (NVIDIA H200)"


@pytest.mark.parametrize("facts", [{}, {"device": "cpu"}, {"device": "cpu, cpu"}, {"device": "cpu", QUERIES: "cpu"}])
def test_of_a_processor_there_is_nothing_to_note(facts):
    assert device_notes("splade", facts) == []


@pytest.mark.parametrize("device", [GPU, TWO])
def test_queries_of_a_gpu_have_no_latency_of_a_cpu(device):
    latency, speed = device_notes("splade", {"device": device})
    assert latency.startswith(f"splade: queries were encoded on {GPU}. Latency") and "not those of a CPU" in latency
    assert speed == f"splade: documents were encoded on {device}; documents per second are of that."


def test_queries_out_of_a_table_are_the_processors():
    (speed,) = device_notes("splade", {"device": TWO, QUERIES: "cpu"})
    assert "documents were encoded" in speed


def test_the_first_device_has_the_queries():
    assert len(device_notes("splade", {"device": f"cpu, {GPU}"})) == 1

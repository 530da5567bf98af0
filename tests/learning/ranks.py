"""What the processes of a run find when they work together, and what one alone finds: run by test_distributed.py.

    ranks.py RANK SIZE FOLDER PORT [PORT]

Of two processes each does everything that there is to do together, and rank 0 then does it alone; of more they only
resume. What they found is in FOLDER/SIZE-RANK.json and FOLDER/SIZE-RANK.npz.
"""

import json
import os
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from charrnn import errors
from charrnn.config import RunConfig
from charrnn.evaluation.held_out import EVALUATION_LANES
from charrnn.evaluation.segments import lanes
from charrnn.learning.distributed import ALONE, joined
from charrnn.learning.learner import Learner
from charrnn.learning.watch import validate
from charrnn.model.machine import computes
from charrnn.model.network import CharRNN
from charrnn.text.batches import windows_of
from charrnn.text.corpus import Corpus, build_corpus
from charrnn.text.lanes import Lanes
from charrnn.text.marks import ANSWER, END
from charrnn.text.vocabulary import Vocabulary

CORPUS = build_corpus("the quick brown fox jumps over the lazy dog; " * 12, fraction=0.25)
V, STEPS, HALF = len(CORPUS.vocabulary), 12, 5  # an epoch has 10 windows of 4 lanes
CASES = [(cell, dropout, "float32") for cell in ("rnn", "lstm", "gru") for dropout in (0.0, 0.5)]
IN_BFLOAT16 = "lstm" if computes("cpu", "bfloat16", "lstm") else "gru"  # as this machine can
CASES += [(IN_BFLOAT16, 0.5, "bfloat16")]
VALIDATED = {2: "ab", 500: "abcdefg;" * 500, 3999: "the quick brown fox; " * 400}
SENT = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CharrnnError)]
SENT = [kind for kind in SENT if not issubclass(kind, (errors.EndedEarlyError, errors.LostProcessError))]


def config(cell, dropout, precision="float32"):
    values = {"cell": cell, "layers": 2, "hidden": 8, "embedding": 6, "dropout": dropout, "corpus": ["-"]}
    values |= {"validation_fraction": 0.25, "batch_size": 4, "seq_length": 10, "steps": STEPS, "learning_rate": 0.01}
    values |= {"weight_drop": dropout / 2, "dropout_start": 0.4}
    values |= {"warmup": 2, "eval_every": 5, "save_every": 5, "sample_every": 5, "device": "cpu", "threads": 1}
    return RunConfig(**values, precision=precision)


def steps(learner, first, last):
    """Make the steps [first, last); returns (loss, norm) of each."""
    windows = Lanes(CORPUS.train, learner.config.batch_size, learner.config.seq_length)
    assert windows.windows < STEPS, "an epoch must end among the steps"
    made = [learner.step(windows.window(step), step) for step in range(first, last)]
    return np.array([[loss.item(), norm.item()] for loss, norm in made])


def whole(learner, step):
    averages = {f"average.{name}": array for name, array in learner.average_weights().items()}
    return learner.tensors() | averages


def learnt(group):
    """Losses, norms and everything that a learner holds, for each case."""
    found = {}
    for case in CASES:
        learner = Learner(config(*case), V, group)
        found[f"{case} losses"] = steps(learner, 0, STEPS)
        found |= {f"{case} {name}": array for name, array in whole(learner, STEPS).items()}
    return found


def learnt_records(group):
    """The same for records of answers, of which the processes count different numbers, and the score of others."""
    records = "".join(f"{'ab' * (n % 5)}{ANSWER}{'ba' * (n % 7)}{END}" for n in range(60))
    vocabulary = Vocabulary("char", (END, "a", "b", ANSWER), end="\n", answer="=")
    windows = windows_of(vocabulary.encode(END + records), vocabulary, 4, 10)
    learner = Learner(config("lstm", 0.5), len(vocabulary), group)
    made = [learner.step(windows.window(step), step) for step in range(STEPS)]
    found = {"records losses": np.array([[loss.item(), norm.item()] for loss, norm in made])}
    held_out = vocabulary.encode(END + records[: len(records) // 3].rpartition(END)[0] + END)
    corpus = Corpus(vocabulary, held_out, held_out, held_out, "")
    found["records score"] = np.array(validate(learner.average, corpus, group))
    return found | {f"records {name}": array for name, array in whole(learner, STEPS).items()}


def learnt_both_ways(group):
    """The same for a network that reads both ways: each process is shown its own lanes with their gaps."""
    learner = Learner(config("gru", 0.5).model_copy(update={"bidirectional": True}), V, group, gap=0)
    found = {"both losses": steps(learner, 0, STEPS)}
    return found | {f"both {name}": array for name, array in whole(learner, STEPS).items()}


def halfway(group):
    learner = Learner(config("lstm", 0.5), V, group)
    steps(learner, 0, HALF)
    return whole(learner, HALF)


def continued(group, taken):
    """The rest of a run, from what another group's learner held half-way."""
    learner = Learner(config("lstm", 0.5), V, group)
    average = {name.removeprefix("average."): array for name, array in taken.items() if name.startswith("average.")}
    learner.restore(taken, average, HALF)
    steps(learner, HALF, STEPS)
    return whole(learner, STEPS)


def scores(group):
    """Nats on validation parts of several lengths, by a random network and by one that knows nothing."""
    found = {}
    for length, text in VALIDATED.items():
        corpus = build_corpus(text + text[:length], fraction=length / len(text + text[:length]))
        torch.manual_seed(1)
        network = CharRNN(config("lstm", 0.0), len(corpus.vocabulary))
        found[f"random {length}"] = validate(network, corpus, group).nats_per_char
        torch.nn.init.zeros_(network.head.weight)
        torch.nn.init.zeros_(network.head.bias)
        nothing = validate(network, corpus, group).nats_per_char
        found[f"ignorant {length}"] = nothing / np.log(len(corpus.vocabulary))
        found[f"symbols {length}"] = len(corpus.validation)
        found[f"segments {length}"] = len(lanes(len(corpus.validation), EVALUATION_LANES))
    unequal = "a" * 1300 + "ab" * 650  # a lane for each of two processes, and what is best for one is not for the other
    corpus = build_corpus("ab" * 100 + unequal, fraction=len(unequal) / (200 + len(unequal)))
    network = CharRNN(config("lstm", 0.0), len(corpus.vocabulary))
    torch.nn.init.zeros_(network.head.weight)
    network.head.bias.data.copy_(torch.tensor([1.5, 0.0]))
    found["unequal"] = list(validate(network, corpus, group))
    return found


def caught(work):
    """(class, exit code, message) of the failure of `work`."""
    try:
        work()
    except errors.CharrnnError as error:
        return [type(error).__name__, error.exit_code, str(error)]
    return None


def fail(error):
    raise error


def together(group):
    """What each process gets from every way to work together."""
    calls = defaultdict(list)

    def work(name):
        calls[name].append(group.rank)
        return {"from": group.rank, "array": np.arange(3)}

    first, each = group.first(lambda: work("first")), group.each(lambda: work("each"))
    found = {
        "place": [group.rank, group.size],
        "first": [first["from"], first["array"].tolist(), len(calls["first"])],
        "each": [each["from"], len(calls["each"])],
        "first fails": [
            caught(lambda kind=kind: group.first(lambda: fail(kind("what", "why", "remedy")))) for kind in SENT
        ],
        "each fails on one": caught(
            lambda: group.each(lambda: fail(errors.DataError("of rank 1")) if group.rank else None)
        ),
        "each fails on both": caught(lambda: group.each(lambda: fail(errors.DataError(f"of rank {group.rank}")))),
        "agree": group.agree(group.rank, -group.rank, 5),
        "mean": group.mean(torch.tensor([1.0 + group.rank, 8.0])).tolist(),
        "total": group.total(np.array([1.0 + group.rank, 8.0])).tolist(),
    }
    lanes = torch.arange(18.0).view(6, 3)
    part = group.lanes(lanes[group.share(6)])
    found["lanes"] = bool(torch.equal(part, lanes))
    strided = torch.arange(18.0).view(3, 6).T  # not contiguous
    found["strided lanes"] = bool(torch.equal(group.lanes(strided[group.share(6)]), strided))
    return found


def two(rank, ports):
    """Everything that two processes do together, and the same done alone."""
    taken = halfway(ALONE)
    with joined(rank, 2, rank) as group:
        facts = together(group)
        arrays = {
            f"two {name}": array
            for name, array in (learnt(group) | learnt_records(group) | learnt_both_ways(group)).items()
        }
        facts["scores of two"] = scores(group)
        shared = halfway(group)
        arrays |= {f"one, then two {name}": array for name, array in continued(group, taken).items()}

    def abandon():
        os.environ["MASTER_PORT"] = ports[1]
        with joined(rank, 2, rank) as group:
            if rank == 1:
                raise errors.DataError("of rank 1 alone")
            group.agree(0)

    facts["abandoned"] = caught(abandon)
    if rank == 0:
        arrays |= {
            f"one {name}": array
            for name, array in (learnt(ALONE) | learnt_records(ALONE) | learnt_both_ways(ALONE)).items()
        }
        arrays |= {f"two, then one {name}": array for name, array in continued(ALONE, shared).items()}
        facts["scores of one"] = scores(ALONE)
    return facts, arrays


def many(rank, size):
    """Which arrays of a run differ in any bit between one that is resumed half-way and one that is not."""
    wanted = config("lstm", 0.5).model_copy(update={"hidden": 64, "batch_size": 2 * size, "seq_length": 6})
    with joined(rank, size, rank) as group:
        unbroken = Learner(wanted, V, group)
        steps(unbroken, 0, HALF)
        taken = whole(unbroken, HALF)
        steps(unbroken, HALF, STEPS)
        resumed = Learner(wanted, V, group)
        resumed.restore(taken, {name: taken[f"average.{name}"] for name in unbroken.average_weights()}, HALF)
        steps(resumed, HALF, STEPS)
        expected, found = whole(unbroken, STEPS), whole(resumed, STEPS)
    return {"differing": [name for name in expected if expected[name].tobytes() != found[name].tobytes()]}, expected


def main():
    rank, size, folder, ports = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": ports[0]}
    torch.set_num_threads(1)
    facts, arrays = two(rank, ports) if size == 2 else many(rank, size)
    np.savez(folder / f"{size}-{rank}.npz", **arrays)
    (folder / f"{size}-{rank}.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()

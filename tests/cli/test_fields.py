"""Tables as whole commands: what was learnt from a column is written, scored and asked for by it."""

import json

TRAIN = ["--hidden", "12", "--embedding", "4", "--batch-size", "4", "--steps", "3", "--precision", "float32", "-q"]


def test_a_column_is_learnt_asked_and_scored(door, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    rows = [("the plot is good", "yes"), ("the cast, it is bad", "no"), ("a good\nscene", "yes")] * 30
    (work / "reviews.csv").write_text("id,text,label\n" + "".join(f'1,"{a}",{b}\n' for a, b in rows))
    (work / "posts.jsonl").write_text("".join(json.dumps({"body": a, "n": 7}) + "\n" for a, _ in rows) + '{"n": 1}\n')
    (work / "new.csv").write_bytes('\ufefftext,label\r\nthe plot is bad,no\r\n"a good\r\ncast",yes\r\n,no\r\n'.encode())
    (work / "new.txt").write_text("the plot is bad\tno\n")
    lines = [
        ["train", "reviews.csv", "--field", "text", "--target", "label", *TRAIN],
        ["train", "posts.jsonl", "--field", "body", *TRAIN[:-1]],
        ["train", "posts.jsonl", "--field", "text", "--name", "none", *TRAIN],
        ["evaluate", "reviews", "new.csv", "--per-line", "--unknown", "error"],
        ["evaluate", "reviews", "new.txt", "--per-line"],
        ["evaluate", "reviews", "--json"],
        ["evaluate", "posts", "new.csv", "--field", "text", "--per-line"],
        ["evaluate", "posts", "new.csv"],
        ["sample", "reviews", "--prompts", "new.csv", "--seed", "1", "-n", "3", "--json"],
        ["sample", "posts", "--prompts", "new.csv", "--field", "text", "--seed", "1", "-n", "3", "--json"],
        ["sample", "posts", "--prompts", "new.csv", "--seed", "1"],
    ]
    done = door([(line, {}) for line in lines], tmp_path)
    assert [each.code for each in done] == [0, 0, 65, 0, 0, 0, 0, 65, 0, 0, 65], [each.stderr for each in done]
    shown = [[json.loads(line) for line in each.stdout.splitlines()] for each in done]
    assert "passed over 1 row of posts.jsonl" in done[1].stderr
    assert "no 'text'; it has body, n" in done[2].stderr
    assert [each["text"] for each in shown[3]] == ["the plot is bad\tno", "a good\ncast\tyes"]
    assert [each["characters"] for each in shown[3]] == [3, 4]  # the answers and their ends
    assert shown[4][0]["bits"] == shown[3][0]["bits"]
    assert [each["text"] for each in shown[6]] == ["the plot is bad", "a good\ncast"]
    assert [each["prompt"] for each in shown[8]] == ["the plot is bad\t", "a good\ncast\t"]
    assert [each["prompt"] for each in shown[9]] == ["the plot is bad", "a good\ncast"]
    for refused in (done[7], done[10]):
        assert "no 'body'; it has text, label" in refused.stderr

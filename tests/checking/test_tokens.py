"""The sample and lengths against slow counts; whether a vocabulary knows one sentence in nineteen languages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scorer.checking.judgement import Judge
from scorer.checking.tokens import Lengths, Sample, TokenCheck, check_tokens, suggested_max_length
from scorer.classifier.vocabulary import Vocabulary

KNOWN = {
    "English": "The room was lovely, but the night was loud and the breakfast came far too late.",
    "tweet": "omg lol @user #ThrowbackThursday so good, see you there tonight my friends",
}
SPELT = {
    "German": "Das Zimmer war wunderschön, aber die Nacht war laut und das Frühstück kam viel zu spät.",
    "French": "La chambre était magnifique, mais la nuit était bruyante et le déjeuner est arrivé trop tard.",
    "Spanish": "La habitación era preciosa, pero la noche fue ruidosa y el desayuno llegó demasiado tarde.",
    "Finnish": "Huone oli ihana, mutta yö oli meluisa ja aamiainen tuli aivan liian myöhään.",
    "Turkish": "Oda çok güzeldi ama gece gürültülüydü ve kahvaltı çok geç geldi.",
    "Polish": "Pokój był piękny, ale noc była głośna, a śniadanie podano o wiele za późno.",
    "Vietnamese": "Căn phòng rất đẹp nhưng đêm thì ồn ào và bữa sáng đến quá muộn.",
}
STRANGE = {
    "Russian": "Номер был прекрасный, но ночь была шумной, а завтрак принесли слишком поздно.",
    "Greek": "Το δωμάτιο ήταν υπέροχο, αλλά η νύχτα ήταν θορυβώδης και το πρωινό ήρθε πολύ αργά.",
    "Arabic": "كانت الغرفة جميلة لكن الليل كان صاخبا وجاء الإفطار متأخرا جدا.",
    "Hebrew": "החדר היה מקסים, אבל הלילה היה רועש וארוחת הבוקר הגיעה מאוחר מדי.",
    "Hindi": "कमरा बहुत सुंदर था, लेकिन रात शोरगुल भरी थी और नाश्ता बहुत देर से आया।",
    "Thai": "ห้องสวยมากแต่ตอนกลางคืนเสียงดังและอาหารเช้ามาช้าเกินไป",
    "Chinese": "房间很漂亮,但是晚上很吵,早餐来得太晚了。",
    "Japanese": "部屋は素敵でしたが、夜はうるさく、朝食が遅すぎました。",
    "Korean": "방은 아름다웠지만 밤에는 시끄러웠고 아침 식사가 너무 늦게 나왔습니다.",
}


def rows(first: int, count: int) -> list[tuple[str, ...]]:
    return [(str(number),) for number in range(first, first + count)]


def test_a_short_stream_is_kept_whole():
    sample = Sample(10)
    sample.add(rows(0, 4))
    sample.add(rows(4, 6))
    assert sample.complete
    assert sample.texts == rows(0, 10)
    sample.add(rows(10, 1))
    assert not sample.complete
    assert len(sample.texts) == 10


def test_a_long_stream_is_sampled_evenly_and_always_alike():
    def drawn() -> Sample:
        sample = Sample(1_000)
        for window in range(10):
            sample.add(rows(window * 1_000, 1_000))
        return sample

    numbers = np.array([int(text) for (text,) in drawn().texts])
    assert len(set(numbers.tolist())) == 1_000
    # Of each tenth about 100 rows, with a standard deviation of 9.5.
    assert (np.abs(np.bincount(numbers // 1_000) - 100) < 40).all()
    assert drawn().texts == drawn().texts


def test_long_texts_are_cut_and_their_length_is_kept():
    sample = Sample(2)
    sample.add([("x" * 30_000, "yz")])
    assert (len(sample.texts[0][0]), sample.texts[0][1], sample.lengths) == (10_000, "yz", [30_002])


@pytest.mark.parametrize("seed", range(3))
def test_a_distribution_is_that_of_a_slow_count(seed):
    lengths = np.random.default_rng(seed).lognormal(4, 1, 500).astype(np.int64)
    found = Lengths.of(lengths)
    assert found is not None
    last = len(found.histogram) - 1
    for bar, count in enumerate(found.histogram):
        low, high = found.edges[bar], found.edges[bar + 1]
        assert count == sum(low <= length < high or (bar == last and length >= high) for length in lengths.tolist())
    assert sum(found.histogram) == 500
    ordered = sorted(lengths.tolist())
    assert found.percentiles[50] in ordered
    for share, length in found.percentiles.items():
        assert sum(one < length for one in ordered) <= share / 100 * 500 <= sum(one <= length for one in ordered)


def test_none_has_no_distribution_and_equal_ones_have_one_bar():
    assert Lengths.of(np.zeros(0, np.int64)) is None
    found = Lengths.of(np.full(7, 3))
    assert found is not None
    assert [count for count in found.histogram if count] == [7]


@pytest.mark.parametrize(
    ("lengths", "positions", "suggested"),
    [
        ([10] * 100, None, 16),
        ([16] * 100, None, 16),
        ([17] * 100, None, 32),
        ([10] * 98 + [15, 20], None, 16),
        ([20] * 94 + [30] * 6, None, 32),
        ([20] * 95 + [300] * 5, None, 32),
        ([900] * 10, 512, 512),
        ([100] * 10, 50, 50),
    ],
)
def test_the_suggestion_covers_most_rows_at_a_fair_cost(lengths, positions, suggested):
    assert suggested_max_length(np.array(lengths), positions) == suggested


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.of_base_model(None)


def checked(vocabulary: Vocabulary, *texts: str, max_length: int = 128, **limits: int) -> TokenCheck:
    sample = Sample()
    sample.add([(text,) for text in texts])
    found = check_tokens(sample, vocabulary, max_length=max_length, **limits)
    assert found is not None
    return found


def codes(check: TokenCheck) -> list[str]:
    return [finding.code for finding in Judge("a.csv", check.of_rows).tokens(check)]


@pytest.mark.parametrize("language", [*KNOWN, *SPELT, *STRANGE])
def test_a_language_is_known_spelt_or_strange(vocabulary, language):
    text = (KNOWN | SPELT | STRANGE)[language]
    expected = [] if language in KNOWN else ["small_pieces"] if language in SPELT else ["foreign_language"]
    assert codes(checked(vocabulary, text)) == expected


def test_a_vocabulary_of_signs_is_not_strange_to_chinese(vocabulary):
    check = checked(vocabulary, STRANGE["Chinese"])
    assert check.signs > 0.8
    known = replace(check, unknown=0.0, a_character=1.0)
    assert codes(known) == ["unknown_tokens"]
    assert codes(replace(known, a_character=2.5)) == ["foreign_language"]


def test_counts_are_those_of_the_tokenizer(vocabulary):
    texts = [KNOWN["English"], "emoji 😀", "two words"]
    check = checked(vocabulary, *texts, max_length=8)
    ids = [vocabulary.tokenizer.encode(text).ids for text in texts]
    own = sum(map(len, ids)) - 2 * len(ids)
    assert check.lengths.tolist() == list(map(len, ids))
    assert check.truncated == pytest.approx(np.mean([len(row) > 8 for row in ids]))
    assert check.unknown == pytest.approx(1 / own)
    assert check.unknown_rows == pytest.approx(1 / 3)
    assert check.a_word == pytest.approx(own / sum(len(text.split()) for text in texts))
    assert check.a_character == pytest.approx(own / sum(len("".join(text.split())) for text in texts))


def test_lengths_are_those_of_the_vocabulary_that_a_fit_will_have(vocabulary):
    word = "ქართული"  # no letter of it is in the vocabulary, so that all of it is one unknown token
    few, many = (checked(vocabulary, *[f"{word} {word}"] * rows, max_length=8) for rows in (9, 10))
    assert few.lengths.tolist() == [2 + 2] * 9
    assert many.lengths.tolist() == [2 + 2 * len(word)] * 10
    assert (few.truncated, many.truncated) == (0.0, 1.0)
    assert few.unknown == many.unknown == 1.0
    assert few.strange == many.strange


def test_long_texts_are_estimated_from_their_beginning(vocabulary):
    check = checked(vocabulary, "good " * 10_000)
    assert check.lengths[0] == pytest.approx(10_002, rel=0.01)
    (finding,) = Judge("a.csv", 1).tokens(check)
    assert finding.code == "truncated"
    assert "--long-text window" in finding.advice


@pytest.mark.parametrize(
    ("lengths", "positions", "advice"),
    [
        ([140] * 100, 512, "try --max-length 144"),
        ([20] * 95 + [300] * 5, 512, "try --max-length 304"),
        ([20] * 95 + [300] * 5, 128, "read single texts whole with --long-text window"),
        ([20] * 80 + [300] * 20, 128, "read single texts whole with --long-text window"),
        (
            [20] * 80 + [900] * 20,
            512,
            "20.0 % would be at --max-length 512 too; read single texts whole with --long-text window",
        ),
    ],
)
def test_a_length_that_is_advised_is_longer_than_that_which_cuts_off(vocabulary, lengths, positions, advice):
    tokens = np.array(lengths)
    check = replace(
        checked(vocabulary, "good"),
        lengths=tokens,
        positions=positions,
        truncated=float((tokens > 128).mean()),
        suggested=suggested_max_length(tokens, positions),
    )
    (finding,) = Judge("a.csv", len(tokens)).tokens(check)
    assert (finding.code, finding.advice) == ("truncated", advice)


def test_endless_rows_are_sampled_by_their_characters(vocabulary):
    check = checked(vocabulary, *["ten chars!"] * 500, most_characters=1_000)
    assert check.rows == 100
    assert check.of_rows == 500
    assert len(check.lengths) == 100


def test_no_rows_have_no_tokens(vocabulary):
    assert check_tokens(Sample(), vocabulary, max_length=128) is None

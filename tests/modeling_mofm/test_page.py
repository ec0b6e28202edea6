"""The page: what it answers, and the same in a real browser; what it refuses; what it does not give away."""

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from modeling_mofm import page, watching
from modeling_mofm.page import PageAnswers, as_options, as_threshold, launch_page, make_page
from modeling_mofm.shipped import shipped_clips

CLIPS = Path(__file__).resolve().parents[2] / "docs" / "clips"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return PageAnswers(folder=str(tmp_path_factory.mktemp("page")))


def test_the_clips_that_come_along_are_there():
    assert [path.name for path in shipped_clips()] == ["sit-to-stand.json", "squat-incorrect.json", "squat.json"]


def test_an_action_that_was_shown_is_more_similar_than_another(answers):
    taught = answers.teach([], " squat ", str(CLIPS / "squat.json"))
    taught = answers.teach(taught, "sit to stand", str(CLIPS / "sit-to-stand.json"))
    similar = answers.ask(taught, str(CLIPS / "squat-incorrect.json"))
    assert list(similar) == ["squat", "sit to stand"] and 1 > similar["squat"] > similar["sit to stand"]
    assert not answers.recogniser.names, "visitors do not teach each other's page"


def test_what_cannot_be_answered_is_refused(answers, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="no file was given"):
        answers.watch(None)
    text = tmp_path / "letter.txt"
    text.write_text("dear reader")
    with pytest.raises(ValueError, match="letter.txt"):
        answers.watch(str(text))
    with pytest.raises(ValueError, match="nothing was taught"):
        answers.ask([], str(CLIPS / "squat.json"))
    with pytest.raises(ValueError, match="name is ''"):
        answers.teach([], " ", str(CLIPS / "squat.json"))
    monkeypatch.setattr(page, "LONGEST", 2.0)
    with pytest.raises(ValueError, match="is 3 seconds long; the page looks at 2 at most"):
        answers.watch(str(CLIPS / "squat.json"))
    monkeypatch.setattr(page, "BOOK_CLIPS", 4)
    for number in (-1, 512):
        with pytest.raises(ValueError, match=f"word {number} is not in the MotionBook; it must be from 0 to 511"):
            answers.word(number)
    with pytest.raises(ValueError, match="'much' is no number"):
        as_threshold("much")
    assert as_threshold(" ") is None and as_threshold("5.5") == 5.5


def test_a_visitor_says_what_a_file_does_not_say(answers, tmp_path):
    path = str(tmp_path / "clip.npy")
    np.save(path, squat_without_names(60))
    with pytest.raises(ValueError, match="17 joints without names.*name the layout"):
        answers.watch(path)
    said = as_options("coco17", None, None, None)
    assert said == {"layout": "coco17"}
    seen = answers.watch(path, said=said)
    assert seen.film and seen.story[-1].startswith("(the frame rate is unknown and taken for 30 frames a second")
    told = answers.watch(path, said=as_options("coco17", "xyc", 15, "640 x 480"))
    assert last_second(told) == pytest.approx(2 * last_second(seen), abs=0.1)
    assert "frame rate" not in " ".join(told.story)
    taught = answers.teach([], "it", path, said)
    assert answers.ask(taught, path, said)["it"] == pytest.approx(1, abs=1e-5)
    for size in ("640", "640 x", "-3 x 4", "wide"):
        with pytest.raises(ValueError, match=f"the size of the picture is '{size}'"):
            as_options("", "", None, size)
    assert as_options("", "xyz", 0, "640, 480") == {"coordinates": "xyz", "frame_size": (640, 480)}


def test_the_page_in_a_browser(answers, tmp_path, monkeypatch):
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    monkeypatch.setattr(watching, "STRIDE", 0.4)  # a quarter of the windows
    app = make_page(answers)
    url = launch_page(app, "1mb", prevent_thread_lock=True, quiet=True)[1]
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    large = tmp_path / "large.json"
    large.write_bytes(b" " * 2_000_000)
    letter = tmp_path / "letter.txt"
    letter.write_text("dear reader")
    nameless = tmp_path / "nameless.npy"
    np.save(nameless, squat_without_names(30))
    try:
        for path in (secret, Path("/etc/passwd")):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{url}gradio_api/file={path}")
        with sync_playwright() as browsers:
            browser = browsers.chromium.launch(executable_path=CHROMIUM)
            visit = browser.new_page(viewport={"width": 390, "height": 844})  # a phone
            visit.goto(url)
            visit.wait_for_selector("#watch")
            assert visit.evaluate("document.documentElement.scrollWidth") == 390, "nothing is cut off"

            upload(visit, "watch-file", letter)
            visit.click("#watch")
            visit.wait_for_selector("text=/^letter.txt: is of no known format/", timeout=30_000)
            visit.reload()
            visit.wait_for_selector("#watch")
            visit.set_input_files("#watch-file input[type=file]", large)
            visit.wait_for_selector("text=exceed the maximum allowed size", timeout=30_000)
            visit.reload()
            visit.wait_for_selector("#watch")

            upload(visit, "watch-file", CLIPS / "squat.json")
            visit.fill("#threshold textarea, #threshold input", "2")
            visit.click("#watch")
            visit.wait_for_selector("#words img", timeout=60_000)
            story = visit.input_value("#story textarea")
            assert "squat" in story and "anomaly" in story and "than in the nearest normal motion" in story
            film = visit.get_attribute("#film img", "src")
            visit.reload()
            visit.wait_for_selector("#watch")
            upload(visit, "watch-file", nameless)
            visit.click("#watch")
            visit.wait_for_selector("text=name the layout", timeout=30_000)
            visit.click("#watch-said button")
            visit.locator("#watch-said input").first.fill("coco17")
            visit.locator("#watch-said input").first.press("Enter")
            visit.click("#watch")
            visit.wait_for_function("() => document.querySelector('#story textarea').value.includes('frame rate')")
            with urllib.request.urlopen(film) as answer:
                assert Image.open(answer).n_frames > 20

            visit.click("role=tab[name=Teach]")
            visit.fill("#teach-name textarea, #teach-name input", "sit")
            upload(visit, "teach-file", CLIPS / "sit-to-stand.json")
            visit.click("#teach")
            visit.wait_for_selector("#known >> text=Known: sit")
            upload(visit, "ask-file", CLIPS / "sit-to-stand.json")
            visit.click("#ask")
            visit.wait_for_selector("#similar >> text=sit")

            visit.click("role=tab[name=MotionBook]")
            visit.wait_for_selector("#about-word >> text=/^Word \\d+ is/", timeout=60_000)
            before = visit.input_value("#word-number input")
            visit.click("#next-word")
            visit.wait_for_function(
                "before => document.querySelector('#word-number input').value != before", arg=before
            )
            browser.close()
    finally:
        app.close()


def squat_without_names(frames):
    """Return x, y and score of the first frames of a clip that comes along, `[frames, 17, 3]`."""
    people = json.loads((CLIPS / "squat.json").read_text())[:frames]
    return np.array([person["keypoints"] for person in people]).reshape(frames, 17, 3)


def last_second(answer):
    return max(event["end"] for event in json.loads(Path(answer.events).read_text())[0]["actions"])


def upload(visit, place, path):
    visit.set_input_files(f"#{place} input[type=file]", path)
    visit.wait_for_selector(f"#{place} >> text={Path(path).stem}")

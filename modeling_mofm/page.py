"""The page of `mofm demo`: drop a pose file or a video, and see what is done, what is odd, and in which words.

`PageAnswers` is what the page can do, and needs no browser; `make_page` puts it into one, with gradio (`mofm[demo]`).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motion_data.animation import animate
from motion_data.inputs import as_recordings, input_options
from motion_data.layouts import layout_names
from motion_data.notes import collect_notes
from motion_data.readers.video.estimation_options import PoseEstimation
from motion_data.recording import Recording
from motion_data.resampling import known_rate
from motion_data.synthetic.corpus import synthetic_dataset
from tokenization_mofm.drawing import draw_clip
from tokenization_mofm.feature_extraction_mofm import collate_people
from tokenization_mofm.gallery import WordUse, draw_word, word_use
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from .actions.recogniser import MotionRecogniser
from .modeling_mofm import MoFMModel
from .shipped import SHIPPED, shipped_clips
from .watching import load_watchers, watch_recording

if TYPE_CHECKING:
    import gradio
    from matplotlib.figure import Figure

LONGEST = 300.0  # seconds of a recording that the page looks at
MAX_FILE_SIZE = "100mb"
BOOK_CLIPS, BOOK_SEED = 128, 10**9  # of the embedded corpus: the pictures of words are of them

Taught = list[tuple[str, np.ndarray]]  # what a visitor showed: name and embedding `[1, D]`


@dataclass
class PageAnswer:
    """
    Args:
        story: what was seen, a line each.
        film: path of a moving picture; None where nobody is in sight, as the others.
        picture: path of poses, actions and anomaly scores along time.
        words: path of the first seconds with their MotionBook tokens.
        events: path of the events as JSON.
    """

    story: list[str]
    film: str | None = None
    picture: str | None = None
    words: str | None = None
    events: str | None = None


def as_options(
    layout: str | None, coordinates: str | None, fps: float | None, frame_size: str | None
) -> dict[str, Any]:
    """Return what a visitor said of a file, as options of `input_options`; what was left empty is not said.

    Raises:
        ValueError: a size of the picture that is not two whole numbers.
    """
    said: dict[str, Any] = {"layout": layout or None, "coordinates": coordinates or None, "fps": fps or None}
    if (frame_size or "").strip():
        sides = re.fullmatch(r"\s*(\d+)\s*[x×*, ]\s*(\d+)\s*", frame_size)
        if not sides:
            raise ValueError(
                f"the size of the picture is {frame_size!r}; write its width and height, such as 640 x 480"
            )
        said["frame_size"] = tuple(map(int, sides.groups()))
    return {name: value for name, value in said.items() if value is not None}


def as_threshold(text: str) -> float | None:
    """Read the threshold that a visitor wrote; nothing is None.

    Raises:
        ValueError: it is no number.
    """
    try:
        return float(text) if text.strip() else None
    except ValueError:
        raise ValueError(f"the anomaly score {text!r} is no number; write one such as 5, or nothing") from None


class PageAnswers:
    """What the page answers, loaded once for all visitors.

    Args:
        model: folder or Hub id with a classifier and a tokenizer, and perhaps a detector.
        poses: how people are found in videos.
        threshold: from which score on motion is odd; None takes that of the model.
        folder: for pictures; None makes one.
    """

    def __init__(
        self,
        model: str = str(SHIPPED),
        poses: PoseEstimation | None = None,
        threshold: float | None = None,
        folder: str | None = None,
    ):
        self.recognise, self.detect = load_watchers(model)
        self.tokenizer = MoFMTokenizer.from_pretrained(model)
        self.recogniser = MotionRecogniser(MoFMModel.from_pretrained(model), self.tokenizer.feature_extractor)
        self.poses = poses
        self.threshold = threshold
        self._made = None if folder else tempfile.TemporaryDirectory(prefix="mofm-page-")  # goes when the page does
        self.folder = Path(folder or self._made.name)

    def read(self, path: str | None, said: dict[str, Any] | None) -> list[Recording]:
        """Return the recordings of a file.

        Args:
            path: of the file.
            said: what the file may not say itself, as options of `input_options`; None is nothing.

        Raises:
            ValueError: no file, one of no known format, numbers whose meaning only an option can tell, or a recording
                longer than `LONGEST`.
        """
        if not path:
            raise ValueError("no file was given; drop one, or choose one of those below")
        recordings = as_recordings(path, input_options(poses=self.poses, **(said or {})))
        for recording in recordings:
            seconds = recording.keypoints.shape[1] / known_rate(recording.fps)
            if seconds > LONGEST:
                raise ValueError(
                    f"{recording.name or Path(path).name} is {seconds:.0f} seconds long; the page looks at "
                    f"{LONGEST:.0f} at most: cut it, or use `mofm watch`"
                )
        return recordings

    def watch(
        self, path: str | None, threshold: float | None = None, said: dict[str, Any] | None = None
    ) -> PageAnswer:
        """Say what is done and what is odd in a file, and draw its first recording in which somebody is in sight.

        Decisions about the file stand at the end of the story. `said`: see `read`.

        Raises:
            ValueError, OSError: see `read` and the readers.
        """
        with collect_notes() as notes:
            answer = self._watched(self.read(path, said), threshold)
        answer.story += [f"({text})" for text in notes]
        return answer

    def _watched(self, recordings: list[Recording], threshold: float | None) -> PageAnswer:
        threshold = self.threshold if threshold is None else threshold
        answer, told = PageAnswer([]), []
        for recording in recordings:
            seen = watch_recording(recording, self.recognise, self.detect, threshold)
            answer.story += ([recording.name] if recording.name else []) + seen.lines()
            told.append(seen.to_dict())
            if seen.motion is not None and answer.film is None:
                answer.film = self._place("film.gif")
                animate(seen.motion, known_rate(recording.fps), answer.film, seen.captions(), seen.tints())
                answer.picture = self._save(seen.draw(), "timeline.png")
                clip = self.tokenizer.feature_extractor.clip(seen.motion)
                person = int((clip.scores > 0).sum((1, 2)).argmax())
                inputs = collate_people([clip])
                keypoints, scores = inputs["keypoints"][0, person], inputs["scores"][0, person]
                answer.words = self._save(draw_clip(self.tokenizer, keypoints, scores), "words.png")
        answer.events = self._place("events.json")
        Path(answer.events).write_text(json.dumps(told, indent=1) + "\n")
        return answer

    def teach(self, taught: Taught, name: str, path: str | None, said: dict[str, Any] | None = None) -> Taught:
        """Show an action once; return what a visitor has shown, with it. `said`: see `read`.

        Raises:
            ValueError: no name, or a file that does not hold one recording of somebody.
        """
        pupil = self._pupil([])
        pupil.teach((name or "").strip(), self._only(path, said))
        return [*taught, (pupil.names[0], pupil.shown)]

    def ask(self, taught: Taught, path: str | None, said: dict[str, Any] | None = None) -> dict[str, float]:
        """Return how similar a file is to each of the actions that a visitor showed, from -1 to 1. `said`: see `read`.

        Raises:
            ValueError: nothing was shown, or a file that does not hold one recording of somebody.
        """
        answers = self._pupil(taught)(self._only(path, said))
        if not answers:
            raise ValueError("nobody is in sight in this file")
        return {answer["label"]: answer["score"] for answer in answers}

    def word(self, number: int) -> tuple[str, str, int]:
        """Return the path of a picture of a word, what is known of it, and the other word that follows it most often.

        That is the word itself where no other ever does.

        Raises:
            ValueError: there is no such word.
        """
        use = self._use
        if not 0 <= number < len(use.counts):
            raise ValueError(f"word {number} is not in the MotionBook; it must be from 0 to {len(use.counts) - 1}")
        count, follower, change = (int(values[number]) for values in (use.counts, use.followers, use.changes))
        share = count / int(use.counts.sum())
        text = (
            f"Word {number} is {share:.2%} of the words of {BOOK_CLIPS} clips of the embedded corpus ({count} times)."
        )
        if follower >= 0:
            next_word = "it comes again" if follower == number else f"word {follower} comes next"
            text += f" At its place {next_word} in {use.follower_shares[number]:.0%} of all cases."
        return self._save(draw_word(use, number), "word.png"), text, change if change >= 0 else number

    def commonest_word(self) -> int:
        """Return the word that is used most."""
        return int(self._use.counts.argmax())

    @cached_property
    def _use(self) -> WordUse:
        clips = self.tokenizer.feature_extractor(synthetic_dataset(BOOK_CLIPS, seed=BOOK_SEED))
        return word_use(self.tokenizer, clips["keypoints"][:, 0], clips["scores"][:, 0])

    def _pupil(self, taught: Taught) -> MotionRecogniser:
        """Return a recogniser of one visitor, who has shown this."""
        pupil = MotionRecogniser(self.recogniser.model, self.recogniser.extractor)
        for name, features in taught:
            pupil.teach_features([name], features)
        return pupil

    def _only(self, path: str | None, said: dict[str, Any] | None) -> Recording:
        recordings = self.read(path, said)
        if len(recordings) != 1:
            raise ValueError(f"the file holds {len(recordings)} recordings; one is needed here")
        return recordings[0]

    def _place(self, name: str) -> str:
        """Return a new path in the folder of pictures."""
        return str(Path(tempfile.mkdtemp(dir=self.folder)) / name)

    def _save(self, figure: Figure, name: str) -> str:
        path = self._place(name)
        figure.savefig(path, dpi=100)
        return path


def make_page(answers: PageAnswers) -> gradio.Blocks:
    """Return the page; `launch_page` opens it. Needs gradio (`mofm[demo]`)."""
    import gradio as gr

    with gr.Blocks(title="MoFM", analytics_enabled=False, delete_cache=(3600, 86400)) as page:
        gr.Markdown(
            "# MoFM\nKey-points of any pose estimator, or a video: what is done, what is odd, and in which motion "
            "words. Everything is worked out on the machine that serves this page."
        )
        with gr.Tab("Watch"):
            _add_watch(answers)
        with gr.Tab("Teach"):
            _add_teach(answers)
        with gr.Tab("MotionBook") as book:
            _add_motion_book(answers, book)
    return page


def _told(function: Callable, *arguments):
    """Call a function of `PageAnswers`; what it notes or refuses is shown, without the folder in which uploads are."""
    import gradio as gr

    try:
        with collect_notes() as notes:
            answer = function(*arguments)
    except (ValueError, OSError, ImportError) as error:
        said = str(error)
        for path in filter(None, (given for given in arguments if isinstance(given, str))):
            said = said.replace(f"{Path(path).parent}/", "")
        raise gr.Error(escape(said), duration=None, print_exception=False) from error
    for text in notes:
        gr.Info(escape(text))
    return answer


def _add_file(label: str, name: str, examples: str = "Recorded clips") -> gradio.File:
    """Add a field for a file, and the clips that come along below it."""
    import gradio as gr

    file = gr.File(label=label, elem_id=name)
    if clips := [[str(path)] for path in shipped_clips()]:
        gr.Examples(clips, file, label=examples)
    return file


def _add_options(name: str) -> list[gradio.components.Component]:
    """Add fields for what a file may not say itself, in the order of `as_options`."""
    import gradio as gr

    with gr.Accordion("What the file does not say", open=False, elem_id=name):
        layout = gr.Dropdown([("as the file says", ""), *layout_names()], value="", label="Skeleton")
        third = [
            ("as the file says", ""),
            ("x, y", "xy"),
            ("x, y, score", "xyc"),
            ("y, x, score", "yxc"),
            ("x, y, z", "xyz"),
        ]
        coordinates = gr.Dropdown(third, value="", label="Numbers of each joint")
        fps = gr.Number(0, label="Frames a second (0: as the file says)", minimum=0)
        size = gr.Textbox(label="Width and height of the picture", placeholder="such as 640 x 480")
    return [layout, coordinates, fps, size]


def _add_watch(answers: PageAnswers) -> None:
    import gradio as gr

    def watch(path: str | None, threshold: str, *said):
        seen = _told(answers.watch, path, _told(as_threshold, threshold), _told(as_options, *said))
        return "\n".join(seen.story), seen.film, seen.picture, seen.words, seen.events

    with gr.Row():
        with gr.Column():
            file = _add_file("Pose file or video", "watch-file", "Recorded clips (UI-PRMD, public domain)")
            camera = gr.Video(sources=["webcam"], label="Or record yourself", elem_id="watch-camera")
            threshold = gr.Textbox(
                label="Odd from which anomaly score on?",
                placeholder="a number, such as 5; empty: never",
                elem_id="threshold",
            )
            said = _add_options("watch-said")
            ask = gr.Button("Watch", variant="primary", elem_id="watch")
        with gr.Column():
            story = gr.Textbox(label="What is seen", lines=6, elem_id="story")
            film = gr.Image(label="The people", show_label=False, elem_id="film")
    gr.Markdown("### Poses, actions and anomaly score along time")
    picture = gr.Image(label="Poses, actions and anomaly score along time", show_label=False, elem_id="picture")
    gr.Markdown("### The same in MotionBook words, and what these words alone decode to")
    words = gr.Image(label="The same in MotionBook words", show_label=False, elem_id="words")
    events = gr.File(label="Events as JSON", elem_id="events")
    camera.change(lambda path: path, camera, file, api_name=False)
    ask.click(watch, [file, threshold, *said], [story, film, picture, words, events], api_name="watch")


def _add_teach(answers: PageAnswers) -> None:
    import gradio as gr

    def teach(taught: Taught, name: str, path: str | None, *said):
        taught = _told(answers.teach, taught, name, path, _told(as_options, *said))
        return taught, "Known: " + ", ".join(name for name, _ in taught)

    def ask(taught: Taught, path: str | None, *said):
        return _told(answers.ask, taught, path, _told(as_options, *said))

    gr.Markdown("Show an action once, under a name; then ask how similar another clip is to each. Nothing is trained.")
    taught = gr.State([])
    with gr.Row():
        with gr.Column():
            name = gr.Textbox(label="Name of the action", elem_id="teach-name")
            shown = _add_file("One recording of it", "teach-file")
            known = gr.Markdown("Known: nothing yet", elem_id="known")
            said = _add_options("teach-said")
            show = gr.Button("Show", elem_id="teach")
        with gr.Column():
            asked = _add_file("What is done here?", "ask-file")
            similar = gr.JSON(label="How similar it is to each, from -1 to 1", elem_id="similar")
            question = gr.Button("Ask", elem_id="ask")
    show.click(teach, [taught, name, shown, *said], [taught, known], api_name=False)
    question.click(ask, [taught, asked, *said], similar, api_name=False)


def _add_motion_book(answers: PageAnswers, tab: gradio.Tab) -> None:
    import gradio as gr

    def read_word(number: float | None):
        return _told(answers.word, int(number or 0))

    def turn_to(number: float):
        return (number, *read_word(number))

    number = gr.Number(0, label="Word", precision=0, minimum=0, elem_id="word-number")
    following = gr.State(0)
    about = gr.Markdown(elem_id="about-word")
    drawn = gr.Image(label="Word", show_label=False, elem_id="word")
    gr.Markdown("The mean heat of its cubes, frame by frame.")
    change = gr.Button("What comes next", elem_id="next-word")
    shown = [number, drawn, about, following]
    number.input(read_word, number, shown[1:], api_name=False)
    change.click(turn_to, following, shown, api_name=False)
    tab.select(lambda: turn_to(answers.commonest_word()), None, shown, api_name=False)


def launch_page(page: gradio.Blocks, max_file_size: str = MAX_FILE_SIZE, **options) -> tuple:
    """Open a page: only what visitors upload, and what is drawn of it, can be read from it.

    Args:
        page: of `make_page`.
        max_file_size: of an upload, such as "100mb"; larger ones are refused while they come in.
        options: `server_name`, `server_port`, `inbrowser`, `prevent_thread_lock` ... of gradio's `launch`.
    """
    clips = [str(path.parent) for path in shipped_clips()[:1]]
    return page.launch(max_file_size=max_file_size, allowed_paths=clips, share=False, footer_links=[], **options)

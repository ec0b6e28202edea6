"""An exported file in a real browser: the page of docs/hub.md, served beside it, answers as the pipeline does.

It runs where `MOFM_ORT_WEB` names the folder `dist` of the npm package onnxruntime-web, and there is a Chromium.
"""

import functools
import http.server
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from transformers import pipeline

from modeling_mofm.export import export_graph, load_graph
from modeling_mofm.shipped import SHIPPED
from motion_data.inputs import as_recordings

ROOT = Path(__file__).resolve().parents[2]
ORT_WEB = os.environ.get("MOFM_ORT_WEB")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(not ORT_WEB or CHROMIUM is None, reason="there is no onnxruntime-web or no Chromium")
def test_the_page_answers_as_the_pipeline_does(tmp_path):
    page = re.search(r"^```html\n(.*?)^```", (ROOT / "docs" / "hub.md").read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "index.html").write_text(page[1])
    shutil.copytree(ORT_WEB, tmp_path / "ort")
    shutil.copy(SHIPPED / "config.json", tmp_path)
    export_graph(load_graph("classification", str(SHIPPED)), tmp_path / "actions.onnx")
    clip = ROOT / "docs" / "clips" / "squat.json"
    (recording,) = as_recordings(str(clip))
    frames = np.concatenate((recording.keypoints[0], recording.scores[0, ..., None]), -1)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_playwright() as browsers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = browsers.chromium.launch(executable_path=CHROMIUM)
        visit = browser.new_page()
        visit.goto(f"http://127.0.0.1:{server.server_port}")
        found = visit.evaluate("frames => recognise(frames)", frames.tolist())
        browser.close()
        server.shutdown()
    expected = pipeline("motion-classification")(str(clip), top_k=None)
    assert max(found, key=found.get) == "squat"
    assert found == pytest.approx({one["label"]: one["score"] for one in expected}, abs=1e-4)

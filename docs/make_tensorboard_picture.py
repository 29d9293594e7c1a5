"""The picture of a run's graph as TensorBoard shows it, for the documentation.

    lowerbound train faces --epochs 3 --out RUN
    python docs/make_tensorboard_picture.py RUN docs/images/tensorboard_graph.png

Opens the run in a real TensorBoard and photographs its Graphs page in a headless browser. Needs Chromium, whose path may be
given as a third argument, and `pip install playwright`, of which no browser of its own has to be installed.
"""

import socket
import subprocess
import sys
import time

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT, PIXELS_PER_POINT = 900, 580, 1.5


def main(run: str, picture: str, chromium: str = "/usr/bin/chromium") -> None:
    """Write the picture of the run in the folder `run` to the file `picture`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", run, "--host", "127.0.0.1", "--port", port]
    server = subprocess.Popen([*command, "--load_fast=false"], stderr=subprocess.DEVNULL)
    try:
        wait_for(int(port))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=PIXELS_PER_POINT)
            page.goto(f"http://127.0.0.1:{port}/#graphs")
            page.wait_for_selector("g.nodeshape", timeout=60_000)
            page.wait_for_timeout(3_000)  # The graph slides into its place.
            page.screenshot(path=picture)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def wait_for(port: int) -> None:
    """Return when the server answers; raises `TimeoutError` after a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError("TensorBoard did not start within a minute.")


if __name__ == "__main__":
    main(*sys.argv[1:])

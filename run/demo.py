"""Open the page: drop a pose file or a video, and see what is done, what is odd, and in which motion words.

python run/demo.py
python run/demo.py --port 7860 --host 0.0.0.0            # for others in your network
python run/demo.py --push-space user/name                # as a Space of the Hub, after `hf auth login`
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve each other on a busy machine

import sys

from modeling_mofm.page import MAX_FILE_SIZE, PageAnswers, launch_page, make_page
from modeling_mofm.shipped import SHIPPED
from modeling_mofm.space import push_space, write_space
from motion_data.readers.video.estimation_options import MOVENET, PoseEstimation, add_pose_options
from training_mofm.command_line import CommandParser


def main() -> int:
    parser = CommandParser(__doc__)
    parser.add_argument("--model", default=str(SHIPPED), help="default: the one that comes along")
    parser.add_argument("--threshold", type=float, help="anomaly score from which something is odd")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at; default: this machine only")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--max-file-size", default=MAX_FILE_SIZE, help="of an upload; default %(default)s")
    parser.add_argument("--write-space", metavar="FOLDER", help="write the page as the folder of a Space, and end")
    parser.add_argument("--push-space", metavar="USER/NAME", help="make it a Space of the Hub, and end")
    add_pose_options(parser.add_argument_group("videos"), MOVENET)
    args = parser.parse_args()
    with parser.refusals():
        if args.write_space:
            print(f"{write_space(args.write_space)}: python app.py opens it, a Space of the Hub is made of it")
        if args.push_space:
            print(push_space(args.push_space))
        if args.write_space or args.push_space:
            return 0
        poses = PoseEstimation(args.pose_model, mediapipe_python=args.mediapipe_python, weights=args.weights)
        page = make_page(PageAnswers(args.model, poses, args.threshold))
        launch_page(page, args.max_file_size, server_name=args.host, server_port=args.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())

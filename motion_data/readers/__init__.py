"""Files of pose estimators, motion capture, data sets and people's own, each read by the format it is in.

`registry.py` says what a format is and finds the one of a path. The folders hold families of formats, the other
modules what several families share.
"""

from importlib import import_module

from ..recording import Recording
from .registry import FormatError, ReadOptions, register_format

# The modules that register formats; those further down are asked first whether a file is theirs.
FORMAT_MODULES = (
    # of no one producer
    *("plain.any_json", "plain.saved_dataset"),
    *("arrays.numpy_arrays", "arrays.array_folder", "arrays.labelled_arrays", "arrays.matlab", "arrays.hdf5"),
    *("arrays.torch_tensors", "tables.list_tables", "tables.table_files"),
    # of one
    *("arrays.videopose3d", "estimators.azure_kinect", "estimators.easy_vitpose", "estimators.coco_results"),
    *("estimators.alphapose", "estimators.mmpose_json", "estimators.person_tracks", "estimators.ultralytics_json"),
    *("estimators.lcrnet", "estimators.mediapipe_json", "estimators.openpose_folder", "estimators.picture_folders"),
    *("estimators.pose_container", "estimators.roboflow", "estimators.video_intelligence", "estimators.zed"),
    *("mocap.amc", "mocap.bvh", "mocap.c3d", "mocap.marker_tables", "mocap.mvnx", "mocap.qualisys", "mocap.trc"),
    *("sets.etri", "sets.kinetics_skeleton", "sets.mmaction_pickle", "sets.msr_text", "sets.ntu_skeleton"),
    *("sets.panoptic", "sets.pickle_3dpw", "sets.pickle_aist", "sets.pku_mmd"),
    "video.video_files",
)
for _name in FORMAT_MODULES:
    import_module(f".{_name}", __name__)

__all__ = ["FORMAT_MODULES", "FormatError", "ReadOptions", "Recording", "register_format"]

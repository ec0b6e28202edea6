"""MoFM: a foundation model of human motion from 2D key-points."""

from setuptools import find_packages, setup

setup(
    name="mofm",
    version="0.1.0",
    description="A foundation model of human motion from 2D key-points, in the Hugging Face ecosystem",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["motion_data*", "tokenization_mofm*", "modeling_mofm*", "training_mofm*"]),
    install_requires=[
        "torch>=2.8",
        "transformers>=5.17,<6",
        "datasets>=5.2",
        "accelerate>=1.10",
        "tokenizers>=0.22",
        "evaluate>=0.4.5",
        "numpy>=2.0",
        "safetensors>=0.5",
        "scipy>=1.13",
        "scikit-learn>=1.5",
    ],
    extras_require={
        "plot": ["matplotlib>=3.9"],
        "video": ["av>=14", "pillow>=10"],
        "dev": ["pytest>=8.3", "pytest-xdist>=3.5", "hypothesis>=6.100", "ruff>=0.9", "matplotlib>=3.9", "av>=14", "pillow>=10"],
    },
)

"""The checks: `nox` runs all but the benchmarks, as CI does; `nox -s "tests(engine='numpy')"` runs one engine's."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "cupy_cpu", "engines", "tests", "kernels", "third_party", "build"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
ENGINES = {  # and what it runs of the tests, one case in so many of each test, or of each file; and of the kit
    "numpy": ("1", "1"),
    "strict": ("16", "1"),
    "strict:device1": ("8", "1"),
    "torch": ("8", "1"),
    "jax": ("120 of a file", "120"),  # it compiles every operation for every shape
    "cupy": ("32", "24"),  # so does CuPy-on-CPU
}
KIT = ["-m", "pytest", "-q", "--pyargs", "polymod.testing.conformance"]
CUPY_CPU = ROOT / ".cache" / "cupy_cpu"  # the wheel of CuPy-on-CPU
CUPY_KERNELS = ROOT / ".cache" / "kernels"  # the CUDA sources that the tests on CuPy met
SUITE = "https://github.com/data-apis/array-api-tests"  # the standard's official tests
SUITE_COMMIT = "55fcc60179efa2680ddd6cd926ddf17b83530e2b"
PYTHON = ROOT / ".nox" / "engines" / "bin" / "python"  # one environment with every engine serves all of `tests`


def has_gpu() -> bool:
    return bool(shutil.which("nvidia-smi")) and subprocess.run(["nvidia-smi"], capture_output=True).returncode == 0


def cupy_package(session: nox.Session) -> str | None:
    """What to install for CuPy: the real one where there is a GPU, else the one that `cupy_cpu` built."""
    if has_gpu():
        return "cupy-cuda13x"
    wheels = sorted(CUPY_CPU.glob("cupy-*+cpu*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    return str(wheels[-1]) if wheels else None


@nox.session
def lint(session: nox.Session) -> None:
    """Style: ruff's checks and its formatting."""
    session.install("ruff==0.17.6")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types: mypy, strict, on src/polymod."""
    session.install("mypy==2.4.1", "-e", ".[train,testing]")
    session.run("mypy", "src/polymod")


@nox.session(venv_backend="none")
def cupy_cpu(session: nox.Session) -> None:
    """CuPy for machines without a GPU: its real Python and Cython code, with kernels compiled for the CPU.

    It is built once, in some minutes, and kept in .cache.
    """
    if has_gpu():
        session.skip("there is a GPU, and CuPy itself will be installed")
    if sys.platform != "linux" or platform.machine() != "x86_64" or not shutil.which("g++"):
        session.skip("CuPy-on-CPU needs Linux on x86-64 and g++; the tests of the engine cupy are left out")
    session.run(sys.executable, "tools/cupy_cpu/build.py", str(CUPY_CPU))


@nox.session(requires=["cupy_cpu"])
def engines(session: nox.Session) -> None:
    """One environment with polymod and every engine that can be installed here."""
    session.install("-e", ".[test,torch,jax,strict,consumers]")
    cupy = cupy_package(session)
    if cupy:
        session.install(cupy)


@nox.session(venv_backend="none", requires=["engines"])
@nox.parametrize("engine", list(ENGINES))
def tests(session: nox.Session, engine: str) -> None:
    """The test suite with its arrays on one engine, and the conformance kit."""
    if engine == "cupy" and not cupy_package(session):
        session.skip("cupy: neither a GPU nor a CuPy-on-CPU wheel")
    environment = {
        "JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu"),
        "CUPY_CACHE_DIR": os.environ.get("CUPY_CACHE_DIR", str(ROOT / ".cache" / "cupy")),
        "MPLBACKEND": "Agg",
    }
    workers = session.posargs or ["-n", "2", "--dist", "worksteal"]
    share, of_kit = ENGINES[engine]
    choice = ["--backend", engine, "--share", share]
    if engine == "cupy":
        shutil.rmtree(CUPY_KERNELS, ignore_errors=True)
        environment["PYTHONPATH"] = str(ROOT / "tools")
        choice += ["-p", "record_kernels", "--record-kernels", str(CUPY_KERNELS)]
    session.run(str(PYTHON), "-m", "pytest", "-q", *choice, *workers, env=environment, external=True)
    if not session.posargs:
        choice = ["--polymod-backend", engine, "--polymod-share", of_kit]
        session.run(str(PYTHON), *KIT, *choice, *workers, env=environment, external=True)


@nox.session(requires=["tests(engine='cupy')"])
def kernels(session: nox.Session) -> None:
    """NVIDIA's compiler takes every CUDA source that the tests on CuPy met, for several GPUs; it needs none."""
    if not CUPY_KERNELS.is_dir():
        session.skip("the tests on CuPy have not run here, so there are no CUDA sources")
    session.install("cupy-cuda13x==14.2.0", "cuda-toolkit[nvrtc,cudart,cccl]==13.*")
    session.run("python", "tools/compile_kernels.py", str(CUPY_KERNELS), *(session.posargs or ["--share"]))


@nox.session
def third_party(session: nox.Session) -> None:
    """A backend in a package of its own passes the conformance kit, with nothing installed but it and polymod."""
    cpu = ["mlx[cpu]"] if sys.platform == "linux" else []
    session.install(".[testing]", *cpu, "./examples/third_party_backend")
    with session.chdir(session.create_tmp()):
        session.run("python", *KIT, "--polymod-backend", "mlx")


@nox.session(default=False)
def dpnp(session: nox.Session) -> None:
    """The conformance kit and the plugin's own tests on dpnp, on the CPU where there is no GPU of Intel's."""
    session.install("-e", ".[test,dpnp]")
    environment = {"SYCL_CACHE_PERSISTENT": "1"}
    session.run("python", "-m", "pytest", "-q", "--backend", "dpnp", "tests/test_dpnp.py", env=environment)
    session.run("python", *KIT, "--polymod-backend", "dpnp", *session.posargs, env=environment)


@nox.session
def build(session: nox.Session) -> None:
    """The wheel and the sdist install into a clean environment and run the main job."""
    session.install("build")
    scratch = Path(session.create_tmp()).resolve()
    out = scratch / "dist"
    shutil.rmtree(out, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(out), ".")
    for archive in sorted(out.iterdir()):
        session.run("python", "-m", "venv", "--clear", str(scratch / "clean"), silent=True)
        python = str(scratch / "clean" / "bin" / "python")
        session.run(python, "-m", "pip", "install", "-q", str(archive), external=True)
        with session.chdir(scratch):
            session.run(python, "-m", "polymod", "train", "--model", "mlp", "--epochs", "2", external=True)
            session.run(python, "-m", "polymod", "backends", external=True)


@nox.session(default=False)
def gpu(session: nox.Session) -> None:
    """Everything on a GPU: tests, conformance, models and benchmarks, with one report under benchmarks/results."""
    session.install("-e", ".[test,torch]", "cupy-cuda13x[ctk]", "ndindex", "pytest-json-report")
    session.run("python", "tools/gpu_report.py", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The benchmarks, against the peers that can be installed."""
    session.install("-e", ".[train,torch,jax,strict]", "autograd", "mygrad")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(default=False)
def consumers(session: nox.Session) -> None:
    """Calls into SciPy, scikit-learn, einops and others on Tensors, differentiated, with torch and jax beside."""
    session.install("-e", ".[consumers,torch,jax,strict]")
    session.run("python", "-m", "consumers", *(session.posargs or ["--write"]))


def official_suite(session: nox.Session) -> Path | None:
    """The standard's test suite: the folder that POLYMOD_ARRAY_API_TESTS names, or a clone."""
    given = os.environ.get("POLYMOD_ARRAY_API_TESTS")
    if given:
        return Path(given).resolve() if Path(given, "array_api_tests").is_dir() else None
    clone = Path(session.create_tmp()).resolve() / f"array-api-tests-{SUITE_COMMIT[:12]}"
    if not (clone / "array-api" / "src").is_dir():
        shutil.rmtree(clone, ignore_errors=True)
        steps = [
            ["git", "clone", "-q", SUITE, str(clone)],
            ["git", "-C", str(clone), "checkout", "-q", SUITE_COMMIT],
            ["git", "-C", str(clone), "submodule", "update", "-q", "--init"],
        ]
        if any(subprocess.run(step).returncode for step in steps):
            return None
    return clone


@nox.session(default=False, requires=["cupy_cpu"])
def conformance(session: nox.Session) -> None:
    """The array API standard's official test suite, on each engine alone and on polymod over it."""
    suite = official_suite(session)
    if suite is None:
        session.skip(f"{SUITE} can't be cloned here; set POLYMOD_ARRAY_API_TESTS to a checkout with its submodule")
    cupy = cupy_package(session)
    packages = ["pytest", "hypothesis", "pytest-json-report", "ndindex", *([cupy] if cupy else [])]
    session.install("-e", ".[test,torch,jax,strict]", *packages)
    environment = {"JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu")}
    session.run("python", "tools/conformance.py", str(suite), *session.posargs, env=environment)

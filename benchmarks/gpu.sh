#!/usr/bin/env bash
# All that a GPU is needed for, in one call of under eight minutes: the tests marked gpu, then benchmarks/bench_gpu.py.
#
#     OUT=FOLDER bash benchmarks/gpu.sh
#
# Needs a machine with a CUDA device, Python, PyTorch, torchvision and timm. What else evalshift needs is installed into
# a temporary folder: from the folder WHEELS where that is set, which this fills on a machine with a network:
#
#     WHEELS=FOLDER bash benchmarks/gpu.sh wheels      # GPU_PYTHON=3.12 for another version of Python than this one's
#
# These are 50 MB, for which an older PyArrow is taken. BENCH_ARGUMENTS are passed on to bench_gpu.py.
#
# Writes to OUT: gpu-tests.txt, gpu-tests.xml, gpu.json and gpu.md (the table of benchmarks/README.md).
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
needs=(filelock jaxtyping platformdirs pooch pyarrow pydantic pytest requests rich safetensors)

if [ "${1:-}" = wheels ]; then
    version=${GPU_PYTHON:-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')}
    exec "$python" -m pip download --quiet --dest "${WHEELS:?name the folder for wheels in WHEELS}" \
        --only-binary :all: --python-version "$version" --platform manylinux_2_28_x86_64 \
        --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 "${needs[@]/pyarrow/pyarrow<21}"
fi

: "${OUT:?name the folder for results in OUT}"
began=$SECONDS
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing=()
for name in "${needs[@]}"; do "$python" -c "import $name" 2>/dev/null || missing+=("$name"); done
if [ ${#missing[@]} -gt 0 ]; then
    source=()
    [ -n "${WHEELS:-}" ] && source=(--no-index --find-links "$WHEELS")
    timeout 90 "$python" -m pip install --quiet --disable-pip-version-check --target "$work/site" "${source[@]}" \
        "${missing[@]}" || { echo "could not install ${missing[*]}; fill a folder with: WHEELS=FOLDER bash $0 wheels"; exit 2; }
fi
# Installed packages come last, so that none takes the place of one that PyTorch was installed with.
cat >"$work/sitecustomize.py" <<PYTHON
import sys
sys.path.append("$work/site")
PYTHON
export PYTHONPATH=$PWD:$work EVALSHIFT_DATA=$work/data EVALSHIFT_CACHE=$work/cache PYTEST_DISABLE_PLUGIN_AUTOLOAD=1

timeout 170 "$python" -m pytest -c /dev/null --rootdir "$PWD" --noconftest -p no:cacheprovider -o "markers=gpu" \
    -m gpu -rs --durations 5 --junitxml "$OUT/gpu-tests.xml" tests/evaluate/test_gpu.py 2>&1 | tee "$OUT/gpu-tests.txt"
tests=${PIPESTATUS[0]}

left=$((460 - (SECONDS - began)))
timeout "$left" "$python" benchmarks/bench_gpu.py --out "$OUT" --seconds $((left - 40)) ${BENCH_ARGUMENTS:-}
bench=$?
echo "tests: exit code $tests; benchmark: exit code $bench; $((SECONDS - began)) s in all"
[ "$tests" -eq 0 ] && [ "$bench" -eq 0 ]

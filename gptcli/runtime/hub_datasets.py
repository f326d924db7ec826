"""Files of datasets on the Hugging Face hub, or on the server in HF_ENDPOINT."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gptcli.errors import ResourceError, UsageError
from gptcli.runtime.hub import endpoint, longest_download, quietly, reason, telemetry_off, within

_Result = TypeVar("_Result")


def dataset_files(name: str) -> list[str]:
    """The names of all files of a dataset, sorted; errors as of ``fetch_dataset_file``."""
    telemetry_off()
    from huggingface_hub import HfApi

    def ask() -> list[str]:
        return sorted(HfApi(endpoint=endpoint()).list_repo_files(name, repo_type="dataset"))

    return _asked(name, ask)


def fetch_dataset_file(name: str, file: str) -> Path:
    """Download a file of a dataset into the cache of huggingface_hub, unless it is there.

    UsageError where the hub has no such dataset, ResourceError where it cannot be reached.
    """
    telemetry_off()
    from huggingface_hub import hf_hub_download, hf_hub_url

    def download() -> Path:
        return Path(hf_hub_download(name, file, repo_type="dataset", endpoint=endpoint()))

    def ask() -> Path:
        url = hf_hub_url(name, file, repo_type="dataset", endpoint=endpoint())
        return within(longest_download(url), download)

    return _asked(name, ask)


def _asked(name: str, ask: Callable[[], _Result]) -> _Result:
    from huggingface_hub import errors

    try:
        with quietly():
            return ask()
    except errors.GatedRepoError:
        raise ResourceError(
            f"the dataset {name} needs permission first: ask for it at {endpoint()}, then "
            "`hf auth login`"
        ) from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise UsageError(
            f"no dataset {name!r} at {endpoint()}: check the name, as in hf:owner/name; if it is "
            "private, `hf auth login` first"
        ) from None
    except Exception as error:  # networks and the library's HTTP client raise many kinds
        raise ResourceError(
            f"the dataset {name} cannot be read from {endpoint()} ({reason(error)}): check the "
            "network and HF_ENDPOINT, or name files that you have"
        ) from None

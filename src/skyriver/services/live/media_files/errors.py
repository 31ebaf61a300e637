"""What can go wrong with uploaded files, in the caller's terms."""

from __future__ import annotations

from skyriver.kernel.errors import Conflict, InvalidInput, NotFound, TooMany


class MediaFileNotFound(NotFound):
    code = "media_file_not_found"

    def __init__(self, file_id: str) -> None:
        super().__init__(f"There is no file {file_id!r}.", hint="List yours with GET /v1/media-files.")


class MediaFileInUse(Conflict):
    code = "media_file_in_use"

    def __init__(self, uses: list[str]) -> None:
        named = ", ".join(uses[:5]) + (f" and {len(uses) - 5} more" if len(uses) > 5 else "")
        super().__init__(
            f"This file is in use: {named}.", hint="Pull from something else, or set another slate, first."
        )


class TooManyMediaFiles(Conflict):
    code = "too_many_media_files"


class TooManyUploads(TooMany):
    code = "too_many_uploads"


class UnusableMedia(InvalidInput):
    """A file that is no film, or one that cannot be used for what was asked."""

    code = "unusable_media"


class UploadTooLarge(InvalidInput):
    code = "upload_too_large"
    http_status = 413


class UploadBrokeOff(InvalidInput):
    code = "upload_broke_off"

"""Reading a file with one record of JSON per line, of which only some parts may be targets."""

from dataclasses import dataclass

from gptcli.config.data import ReadOptions
from gptcli.data.chat.contents import ANY_SHAPE, RecordShape
from gptcli.data.corpus.chunks import Chunk, Document, Parsed, Problem
from gptcli.data.corpus.cutting import CutReader, Cutter, line_boundary
from gptcli.data.corpus.inputs import TextInput
from gptcli.data.corpus.record_document import at_place, record_document
from gptcli.data.corpus.text_reader import STEP, decode, not_text
from gptcli.errors import CheckpointError

LONGEST_LINE = 2**26
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class JsonlReader(CutReader):
    """Reads records in chunks of whole lines."""

    source: TextInput
    options: ReadOptions
    step: int = STEP
    longest_line: int = LONGEST_LINE
    shape: RecordShape = ANY_SHAPE

    def parse(self, chunk: Chunk) -> Parsed:
        """See Reader. A record without a document is a problem; blank lines are skipped."""
        assert isinstance(chunk.content, bytes)
        documents: list[Document] = []
        problems: list[Problem] = []
        n_replaced, offset = 0, chunk.offset
        for line in chunk.content.split(b"\n"):
            if line and not line.isspace():
                text, count = self._decode(line, offset)
                n_replaced += count
                try:
                    documents.append(record_document(text, offset, self.options.field, self.shape))
                except ValueError as error:
                    problems.append(Problem(offset, str(error)))
                except CheckpointError as error:  # of the chat template
                    raise at_place(self, offset, error) from None
            offset += len(line) + 1
        return Parsed(tuple(documents), tuple(problems), n_replaced)

    def _decode(self, line: bytes, offset: int) -> tuple[str, int]:
        try:
            text, count = decode(line, self.options.errors)
        except UnicodeDecodeError as error:
            raise not_text(self.source, offset + error.start, line[error.start]) from None
        return (text.removeprefix(_BYTE_ORDER_MARK) if offset == 0 else text), count

    @property
    def cutter(self) -> Cutter:
        """Cut after newlines; DataError for a line that is too long to be a record."""
        return Cutter(self.source, line_boundary, self.step, self.longest_line)

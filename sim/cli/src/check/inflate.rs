//! Takes the wrapping off: gzip (RFC 1952) and zstd (RFC 8878), told by their first bytes.

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use std::{
    error::Error,
    io::{self, BufRead, BufReader, Cursor, ErrorKind, Read},
};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What tells how a file is wrapped.
pub(super) const HEAD_BYTES: usize = ZSTD.len();

/// Whether a file that begins like this is compressed.
pub(super) fn is_packed(head: &[u8]) -> bool {
    head.starts_with(&GZIP) || head.starts_with(&ZSTD)
}

/// The bytes of a history, whatever they are wrapped in.
pub(super) fn inflate<'r>(mut input: impl BufRead + 'r) -> io::Result<Box<dyn BufRead + 'r>> {
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    let (is_gzip, is_zstd) = (head.starts_with(&GZIP), head == ZSTD);
    let whole = Cursor::new(head).chain(input);
    Ok(if is_gzip {
        Box::new(BufReader::new(MultiGzDecoder::new(whole)))
    } else if is_zstd {
        let decoder = FrameDecoder::new();
        Box::new(BufReader::new(Frames { source: whole, decoder, is_inside: false }))
    } else {
        Box::new(whole)
    })
}

/// The frames of a zstd file, one after the other.
struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    is_inside: bool,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_inside {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.is_inside = self.enter()?;
                continue;
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder
                    .decode_blocks(&mut self.source, one)
                    .map_err(|error| broken(&error))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let (written, is) =
                (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
            if written.is_some() && written != is {
                return Err(invalid("the checksum does not fit"));
            }
            self.is_inside = false;
        }
    }
}

impl<R: BufRead> Frames<R> {
    /// Begins the next frame. Passes over one that holds no data, and says so.
    fn enter(&mut self) -> io::Result<bool> {
        let length = match self.decoder.init(&mut self.source) {
            Ok(()) => return Ok(true),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => u64::from(length),
            Err(error) => return Err(broken(&error)),
        };
        let passed = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
        if passed < length { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(false) }
    }
}

/// The end of the file in the middle of a frame is told from other damage.
fn broken(error: &FrameDecoderError) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == ErrorKind::UnexpectedEof) {
            return ErrorKind::UnexpectedEof.into();
        }
        cause = error.source();
    }
    invalid(&error.to_string())
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("zstd: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Write;

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        inflate(bytes)?.read_to_end(&mut text)?;
        Ok(text)
    }

    fn wrapped() -> [Vec<u8>; 2] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"one history").unwrap();
        [gzip.finish().unwrap(), compress_to_vec(&b"one history"[..], CompressionLevel::Fastest)]
    }

    #[test]
    fn what_was_wrapped_comes_out_and_what_was_not_stays() {
        for text in [&b""[..], b"x", b"{}", b"one history"] {
            assert_eq!(read(text).unwrap(), text);
        }
        for whole in wrapped() {
            assert_eq!(read(&whole).unwrap(), b"one history");
            let twice = [whole.clone(), whole].concat();
            assert_eq!(read(&twice).unwrap(), b"one historyone history");
        }
    }

    #[test]
    fn a_frame_without_data_is_passed_over() {
        let [_, zstd] = wrapped();
        let nothing = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 7, 7, 7];
        assert_eq!(read(&[zstd.clone(), nothing.to_vec(), zstd].concat()).unwrap().len(), 22);
    }

    #[test]
    fn a_file_that_was_cut_off_is_told_from_one_that_is_damaged() {
        for whole in wrapped() {
            for end in 5..whole.len() {
                let error = read(&whole[..end]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end} of {}", whole.len());
            }
            // In the checksum, which both have near their ends.
            let mut damaged = whole;
            let last = damaged.len() - 1;
            damaged[last - 7..].iter_mut().for_each(|byte| *byte ^= 0x55);
            assert_ne!(read(&damaged).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }
}

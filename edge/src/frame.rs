//! Length-prefixed messages of gRPC and the trailer frame of gRPC-web.
//! It knows bytes, no methods.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};

/// A frame's flag and length.
pub const PREFIX_BYTES: usize = 5;
/// The flag of a frame that carries trailers.
const TRAILERS: u8 = 0x80;
/// Trailers longer than this are not read for the access log.
const TRAILERS_READ_BYTES: usize = 4096;

/// Why a body is not one plain message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOne {
    /// Compressed, several, or none: a service may understand it.
    Other,
    /// It ends before its message does.
    Torn,
}

/// The message of a body that holds exactly one, uncompressed.
pub fn single(body: &Bytes) -> Result<Bytes, NotOne> {
    let prefix: &[u8; PREFIX_BYTES] = body.first_chunk().ok_or(NotOne::Torn)?;
    let [flag, length @ ..] = *prefix;
    if flag != 0 {
        return Err(NotOne::Other);
    }
    let end = PREFIX_BYTES + u32::from_be_bytes(length) as usize;
    match body.len().cmp(&end) {
        std::cmp::Ordering::Less => Err(NotOne::Torn),
        std::cmp::Ordering::Equal => Ok(body.slice(PREFIX_BYTES..)),
        std::cmp::Ordering::Greater => Err(NotOne::Other),
    }
}

/// Puts the prefix before a message.
pub fn data(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    put(&mut framed, 0, message);
    framed.freeze()
}

/// The trailer frame of gRPC-web, from `name: value` lines.
pub fn trailers(lines: &str) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + lines.len());
    put(&mut framed, TRAILERS, lines.as_bytes());
    framed.freeze()
}

fn put(framed: &mut BytesMut, flag: u8, payload: &[u8]) {
    framed.put_u8(flag);
    // Messages are bounded far below 4 GiB by the limits on bodies.
    framed.put_u32(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    framed.put_slice(payload);
}

/// Encodes a body of gRPC-web-text.
pub fn encode_text(body: &[u8]) -> Bytes {
    Bytes::from(STANDARD.encode(body))
}

/// Decodes a body of gRPC-web-text: base64 groups, each of which may be padded.
pub fn decode_text(text: &[u8]) -> Option<Bytes> {
    let mut body = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text;
    while !rest.is_empty() {
        // A padded group ends one encoded piece; another may follow it.
        let end = rest
            .iter()
            .position(|byte| *byte == b'=')
            .map_or(rest.len(), |at| (at / 4 + 1) * 4);
        let piece = rest.get(..end)?;
        STANDARD.decode_vec(piece, &mut body).ok()?;
        rest = &rest[end..];
    }
    Some(body.into())
}

/// Follows the frames of a gRPC-web answer as it passes and reads the status
/// in its trailers. It keeps no message.
#[derive(Debug, Default)]
pub struct StatusReader {
    prefix: [u8; PREFIX_BYTES],
    prefix_len: usize,
    remaining: usize,
    trailers: Option<Vec<u8>>,
}

impl StatusReader {
    /// Takes the next bytes of the body.
    pub fn read(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            if self.remaining == 0 {
                let take = (PREFIX_BYTES - self.prefix_len).min(chunk.len());
                self.prefix[self.prefix_len..self.prefix_len + take]
                    .copy_from_slice(&chunk[..take]);
                self.prefix_len += take;
                chunk = &chunk[take..];
                if self.prefix_len == PREFIX_BYTES {
                    let [flag, length @ ..] = self.prefix;
                    self.remaining = u32::from_be_bytes(length) as usize;
                    self.prefix_len = 0;
                    self.trailers = (flag & TRAILERS != 0).then(Vec::new);
                }
            } else {
                let take = self.remaining.min(chunk.len());
                if let Some(trailers) = &mut self.trailers {
                    let room = TRAILERS_READ_BYTES.saturating_sub(trailers.len());
                    trailers.extend_from_slice(&chunk[..take.min(room)]);
                }
                self.remaining -= take;
                chunk = &chunk[take..];
            }
        }
    }

    /// The status, when the trailers have passed.
    pub fn status(&self) -> Option<i32> {
        let trailers = std::str::from_utf8(self.trailers.as_ref()?).ok()?;
        trailers.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim()
                .eq_ignore_ascii_case("grpc-status")
                .then(|| value.trim().parse().ok())?
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_body_is_judged_and_what_is_taken_out_was_put_in(
            body in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let bytes = Bytes::from(body);
            if let Ok(message) = single(&bytes) {
                prop_assert_eq!(data(&message), bytes.clone());
            }
            prop_assert_eq!(single(&data(&bytes)), Ok(bytes.clone()));
            prop_assert_eq!(decode_text(&encode_text(&bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_judged_and_takes_no_more_room_than_it_came_in(
            text in "[A-Za-z0-9+/=\\x00-\\x20]{0,64}",
        ) {
            if let Some(body) = decode_text(text.as_bytes()) {
                prop_assert!(body.len() <= text.len());
            }
        }

        #[test]
        fn any_answer_is_followed_however_it_is_cut(
            body in prop::collection::vec(prop::sample::select(vec![0, 1, 2, 0x80, 0xff]), 0..64),
            size in 1..8_usize,
        ) {
            let mut whole = StatusReader::default();
            whole.read(&body);
            let mut parts = StatusReader::default();
            for part in body.chunks(size) {
                parts.read(part);
            }
            prop_assert_eq!(whole.status(), parts.status());
        }
    }

    #[test]
    fn one_message_is_taken_out_of_its_frame() {
        assert_eq!(single(&data(b"souk")), Ok(Bytes::from_static(b"souk")));
        assert_eq!(single(&data(b"")), Ok(Bytes::new()));
        assert_eq!(single(&Bytes::from_static(b"\0\0")), Err(NotOne::Torn));
        assert_eq!(single(&data(b"souk").slice(..7)), Err(NotOne::Torn));
        let two = [data(b"a"), data(b"b")].concat();
        assert_eq!(single(&two.into()), Err(NotOne::Other));
        let compressed = Bytes::from_static(b"\x01\0\0\0\x01x");
        assert_eq!(single(&compressed), Err(NotOne::Other));
    }

    #[test]
    fn text_is_decoded_also_when_it_comes_in_padded_pieces() {
        assert_eq!(decode_text(&encode_text(b"souk")).unwrap(), "souk");
        let pieces = [encode_text(b"so"), encode_text(b"uk!")].concat();
        assert_eq!(decode_text(&pieces).unwrap(), "souk!");
        assert_eq!(decode_text(b"so*k"), None);
        assert_eq!(decode_text(b"a="), None);
    }

    #[test]
    fn the_status_is_read_however_the_body_is_cut() {
        let body = [
            data(b"message"),
            trailers("grpc-status:5\r\ngrpc-message:x\r\n"),
        ]
        .concat();
        for size in 1..body.len() {
            let mut reader = StatusReader::default();
            for chunk in body.chunks(size) {
                reader.read(chunk);
            }
            assert_eq!(reader.status(), Some(5), "in chunks of {size}");
        }
    }
}

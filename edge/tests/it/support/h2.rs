//! HTTP/2 in frames by hand: what a caller should never send.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a reset or a good-bye.
    pub(crate) fn code(&self) -> Option<u32> {
        let code = match self.kind {
            RST_STREAM => self.payload.first_chunk(),
            GOAWAY => self.payload.get(4..)?.first_chunk(),
            _ => None,
        };
        code.map(|code| u32::from_be_bytes(*code))
    }
}

/// A frame to be sent.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A setting.
pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// Headers in HPACK: literals, no table, no Huffman code (RFC 7541, 6.2.2).
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            put_length(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// RFC 7541, section 5.1, with a prefix of seven bits.
fn put_length(block: &mut Vec<u8>, length: usize) {
    const MOST: usize = 127;
    if length < MOST {
        block.push(u8::try_from(length).unwrap());
        return;
    }
    block.push(127);
    let mut rest = length - MOST;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The headers of a call of native gRPC.
pub(crate) fn call(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "shop"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
}

/// A connection in frames.
pub(crate) struct H2 {
    pub(crate) writer: OwnedWriteHalf,
    pub(crate) reader: OwnedReadHalf,
}

impl H2 {
    /// Connects and begins, with these settings.
    pub(crate) async fn connect(edge: SocketAddr, settings: &[u8]) -> Self {
        let (reader, writer) = TcpStream::connect(edge).await.unwrap().into_split();
        let mut h2 = Self { writer, reader };
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        h2.say(&begin).await;
        h2
    }

    /// Sends, if the other end still listens.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> bool {
        self.writer.write_all(bytes).await.is_ok()
    }

    /// Opens a stream with these headers, and ends it.
    pub(crate) async fn ask(&mut self, stream: u32, headers: &[(&str, &str)]) -> bool {
        let flags = END_HEADERS | END_STREAM;
        self.say(&frame(HEADERS, flags, stream, &block(headers)))
            .await
    }

    /// The next frame; `None` when the other end closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        read(&mut self.reader).await
    }

    /// Frames until one is what is waited for, that one included; or until the
    /// other end closes, without.
    pub(crate) async fn until(&mut self, is_it: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let waiting = async {
            loop {
                let frame = self.next().await?;
                if is_it(&frame) {
                    return Some(frame);
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("it neither comes nor is the connection closed")
    }

    /// The end of a stream, or of the connection: the error code, `None` for
    /// a good end.
    pub(crate) async fn end_of(&mut self, stream: u32) -> Option<u32> {
        let end = self
            .until(|frame| {
                let ends = frame.kind == RST_STREAM
                    || [DATA, HEADERS].contains(&frame.kind) && frame.flags & END_STREAM != 0;
                frame.kind == GOAWAY || frame.stream == stream && ends
            })
            .await;
        match end {
            Some(frame) => frame.code(),
            None => Some(u32::MAX), // closed
        }
    }
}

/// The next frame; `None` when the other end closed.
pub(crate) async fn read(reader: &mut OwnedReadHalf) -> Option<Frame> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await.ok()?;
    let [length @ .., kind, flags, _, _, _, _] = head;
    let stream = [head[5] & 0x7f, head[6], head[7], head[8]];
    let [high, middle, low] = length;
    let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
    reader.read_exact(&mut payload).await.ok()?;
    Some(Frame {
        kind,
        flags,
        stream: u32::from_be_bytes(stream),
        payload,
    })
}

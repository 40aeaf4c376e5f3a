//! A small name server: it knows one set of IPv4 addresses, whatever the name.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

const HEADER_BYTES: usize = 12;
const A: [u8; 2] = [0, 1];
/// An answer, recursion available, no error.
const FOUND: [u8; 2] = [0x81, 0x80];
/// An answer, recursion available: the server failed.
const FAILED: [u8; 2] = [0x81, 0x82];

pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    /// None: it fails.
    answer: Arc<Mutex<Option<Vec<Ipv4Addr>>>>,
    asked: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl NameServer {
    pub(crate) async fn start(addresses: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(Some(addresses.to_vec())));
        let known = Arc::clone(&answer);
        let asked = Arc::new(AtomicUsize::default());
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut query = [0; 512];
            loop {
                let (bytes, from) = socket.recv_from(&mut query).await.unwrap();
                count.fetch_add(1, SeqCst);
                let reply = reply(&query[..bytes], known.lock().unwrap().as_deref());
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        Self {
            address,
            answer,
            asked,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    /// From now on it says this; nothing: it fails.
    pub(crate) fn say(&self, addresses: Option<&[Ipv4Addr]>) {
        *self.answer.lock().unwrap() = addresses.map(<[_]>::to_vec);
    }
}

/// <https://www.rfc-editor.org/rfc/rfc1035#section-4>
fn reply(query: &[u8], known: Option<&[Ipv4Addr]>) -> Vec<u8> {
    let name = query[HEADER_BYTES..].iter().position(|byte| *byte == 0);
    let question_end = HEADER_BYTES + name.unwrap() + 5;
    let question = &query[HEADER_BYTES..question_end];
    let asks_a = question[question.len() - 4..question.len() - 2] == A;
    let addresses = known.filter(|_| asks_a).unwrap_or_default();
    let count = u16::try_from(addresses.len()).unwrap();
    let mut reply = query[..2].to_vec();
    reply.extend(if known.is_some() { FOUND } else { FAILED });
    reply.extend([0, 1]);
    reply.extend(count.to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(question);
    for address in addresses {
        // Its name is that of the question; class IN; no time to live.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}

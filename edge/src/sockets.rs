//! The sockets that the edge listens on. They are bound here, or taken over
//! from an older process, and outlive neither.

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use anyhow::Context as _;
use tokio::net::TcpSocket;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 65_535;

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Callers with TLS.
    Https,
    /// Callers without.
    Http,
    /// The platform team.
    Admin,
}

/// A listening socket.
#[derive(Debug)]
pub struct Socket {
    /// What it is for.
    pub purpose: Purpose,
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
}

impl Socket {
    /// Takes over the socket of an older process for the same address, or
    /// binds one.
    ///
    /// # Errors
    /// When the address is taken.
    pub fn open(
        purpose: Purpose,
        address: SocketAddr,
        inherited: &mut Vec<TcpListener>,
    ) -> anyhow::Result<Self> {
        let known = inherited
            .iter()
            .position(|listener| listener.local_addr().is_ok_and(|at| at == address));
        let listener = match known {
            Some(at) => Ok(inherited.swap_remove(at)),
            None => bind(address),
        }
        .with_context(|| format!("cannot listen on {address}"))?;
        Ok(Self {
            purpose,
            address,
            listener,
        })
    }

    /// A second handle on the same socket: both accept from one queue.
    ///
    /// # Errors
    /// When the process has too many files open.
    pub fn listener(&self) -> anyhow::Result<TcpListener> {
        let address = self.address;
        self.listener
            .try_clone()
            .with_context(|| format!("a second handle on {address}"))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Makes a listener of a descriptor that came from an older process.
///
/// # Errors
/// When it is not a listening TCP socket.
pub fn inherited(fd: OwnedFd) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::from(fd);
    listener
        .local_addr()
        .context("a descriptor of the older process is no socket")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

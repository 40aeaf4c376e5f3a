//! How a new process takes the listening sockets over from an old one, so that
//! no connection is refused and none is lost on the way.
//!
//! The old process listens on a Unix socket. The new one connects, is given
//! the descriptors, comes up, says so, and only then the old one lets go: if
//! the new one fails before that, nothing has happened. While both run they
//! accept from the same queue. Only processes of the same user are answered.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::{fs::PermissionsExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::net::UnixListener;

use crate::sockets::{self, Socket};

/// Sockets that are handed over at most; an edge has three.
const MAX_SOCKETS: usize = 8;
/// How long the old process may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a new process may take to come up.
const COME_UP_TIMEOUT: Duration = Duration::from_mins(2);
/// Goes with the descriptors.
const SOCKETS: u8 = b's';
/// The new process answers.
const READY: u8 = b'r';

/// A new process's side: what it took over, and whom it has to tell.
#[derive(Debug)]
pub struct TakenOver {
    /// The sockets.
    pub listeners: Vec<TcpListener>,
    old: UnixStream,
}

impl TakenOver {
    /// Tells the old process that it can go.
    ///
    /// # Errors
    /// When it is gone already, which is no harm.
    pub fn ready(mut self) -> std::io::Result<()> {
        self.old.write_all(&[READY])
    }
}

/// Asks the process that listens on `path` for its sockets; `None` when there
/// is no such process.
///
/// # Errors
/// When there is one that does not hand them over.
pub fn take_over(path: &Path) -> anyhow::Result<Option<TakenOver>> {
    let old = match UnixStream::connect(path) {
        Ok(old) => old,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| at(path)),
    };
    old.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    old.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let listeners = receive(&old).with_context(|| at(path))?;
    Ok(Some(TakenOver { listeners, old }))
}

fn receive(old: &UnixStream) -> anyhow::Result<Vec<TcpListener>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got = recvmsg(
        old,
        &mut [IoSliceMut::new(&mut byte)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .context("the older process does not answer")?;
    anyhow::ensure!(
        got.bytes == 1 && byte == [SOCKETS],
        "the older process refuses"
    );
    let mut listeners = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            for fd in fds {
                listeners.push(sockets::inherited(fd)?);
            }
        }
    }
    anyhow::ensure!(!listeners.is_empty(), "the older process sent no sockets");
    Ok(listeners)
}

/// An old process's side: the Unix socket on which it can be asked.
#[derive(Debug)]
pub struct Successors {
    path: PathBuf,
    listener: UnixListener,
}

impl Successors {
    /// Listens for a successor. What lies on the path is replaced in one step:
    /// it is our predecessor's socket, or that of a process that crashed.
    ///
    /// # Errors
    /// When the path cannot be listened on.
    pub fn listen(path: &Path) -> anyhow::Result<Self> {
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(format!(".{}", std::process::id()));
        let fresh = PathBuf::from(fresh);
        let listener = UnixListener::bind(&fresh).with_context(|| at(&fresh))?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))
            .and_then(|()| std::fs::rename(&fresh, path))
            .with_context(|| at(path))?;
        Ok(Self {
            path: path.to_owned(),
            listener,
        })
    }

    /// Returns when a successor has come up with our sockets.
    pub async fn succeeded(&self, sockets: &[Socket]) {
        loop {
            match self.serve_one(sockets).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "no successor came up; going on"
                    );
                }
            }
        }
    }

    async fn serve_one(&self, sockets: &[Socket]) -> anyhow::Result<()> {
        let (stream, _) = self.listener.accept().await?;
        let us = rustix::process::geteuid().as_raw();
        let them = stream.peer_cred()?.uid();
        anyhow::ensure!(
            them == us || them == 0,
            "user {them} asked for the sockets of user {us}"
        );
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_read_timeout(Some(COME_UP_TIMEOUT))?;
        let fds: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
        send(&stream, &fds).context("sending the sockets")?;
        tracing::info!("a successor has our sockets");
        tokio::task::spawn_blocking(move || heard_ready(&stream)).await?
    }

    /// Takes the path away, when nobody succeeded.
    pub fn close(self) {
        // It may be gone; a later start replaces what lies there.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn send(stream: &UnixStream, fds: &[BorrowedFd<'_>]) -> anyhow::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    anyhow::ensure!(
        ancillary.push(SendAncillaryMessage::ScmRights(fds)),
        "too many sockets"
    );
    sendmsg(
        stream,
        &[IoSlice::new(&[SOCKETS])],
        &mut ancillary,
        SendFlags::empty(),
    )?;
    Ok(())
}

fn heard_ready(mut stream: &UnixStream) -> anyhow::Result<()> {
    let mut byte = [0];
    let read = stream
        .read(&mut byte)
        .context("waiting for the successor")?;
    anyhow::ensure!(read == 1 && byte == [READY], "it went away");
    Ok(())
}

fn at(path: &Path) -> String {
    format!("the upgrade socket {}", path.display())
}

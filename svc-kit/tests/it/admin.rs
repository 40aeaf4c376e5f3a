//! The admin port.

use std::{net::TcpListener, time::Duration};

use svc_kit::{Shutdown, admin::Admin};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

#[tokio::test]
async fn half_a_question_does_not_keep_the_process_from_ending() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    let served = tokio::spawn(Admin::default().serve_on(listener, shutdown.clone()));
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /livez HTT").await.unwrap();
    shutdown.stop();
    let ended = timeout(Duration::from_secs(20), served).await;
    ended.expect("it ends").unwrap().unwrap();
}

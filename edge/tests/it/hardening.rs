//! HTTP/1 that is malformed, or that two readers would read differently. Each
//! time the connection is closed, and what was hidden behind the request does
//! not reach a service.

use crate::support::{
    Harness, product_id,
    raw::{Raw, get_product, say_all, status},
};

const GET: &str = "GET /.well-known/jwks.json";

/// Sends a head, or more, with a whole request hidden behind it.
async fn attack(edge: &Harness, what: &str, bytes: &[u8]) -> String {
    let id = format!("smuggled-{}", product_id());
    let answer = say_all(edge.edge, [bytes, &get_product(&id)].concat()).await;
    let answers = answer.matches("HTTP/1.1 ").count();
    assert!(answers <= 1, "{what}: {answer}");
    assert_eq!(edge.shop.calls(&id), 0, "{what}: it got through");
    answer
}

async fn refused(edge: &Harness, expected: u16, what: &str, bytes: impl AsRef<[u8]>) {
    let answer = attack(edge, what, bytes.as_ref()).await;
    assert_eq!(status(&answer), expected, "{what}: {answer}");
}

#[tokio::test]
async fn a_request_names_one_host() {
    let edge = Harness::start().await;
    // As short as it may be: nothing may wait for more.
    let answer = say_all(edge.edge, "GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(status(&answer), 400, "{answer}");
    assert!(answer.contains("HOST_MISSING"), "{answer}");
    for (what, rest) in [
        ("none", " HTTP/1.1\r\naccept: */*\r\n\r\n"),
        ("two", " HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        ("twice the same", " HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
        ("a user in it", " HTTP/1.1\r\nhost: a@b\r\n\r\n"),
    ] {
        refused(&edge, 400, what, format!("{GET}{rest}")).await;
    }
}

#[tokio::test]
async fn the_length_of_a_body_is_said_once_and_in_one_way() {
    let edge = Harness::start().await;
    for (what, headers) in [
        ("CL.TE", "content-length: 4\r\ntransfer-encoding: chunked"),
        ("TE.CL", "transfer-encoding: chunked\r\ncontent-length: 4"),
        ("CL.CL", "content-length: 0\r\ncontent-length: 4"),
        ("CL.CL the same", "content-length: 0\r\ncontent-length: 0"),
        ("a list", "content-length: 0, 0"),
        ("a sign", "content-length: +0"),
        ("negative", "content-length: -1"),
        ("hexadecimal", "content-length: 0x0"),
        ("a fraction", "content-length: 0.0"),
        ("nothing", "content-length:"),
        ("too large", "content-length: 99999999999999999999999"),
        (
            "TE.TE",
            "transfer-encoding: chunked\r\ntransfer-encoding: x",
        ),
        (
            "TE twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
        ),
        ("not last", "transfer-encoding: chunked, identity"),
        ("after another", "transfer-encoding: gzip, chunked"),
        ("unknown", "transfer-encoding: xchunked"),
        ("a tab before", "transfer-encoding: \x0bchunked"),
        ("in quotes", "transfer-encoding: \"chunked\""),
        ("a space in the name", "transfer-encoding : chunked"),
        (
            "a space in the other",
            "content-length: 4\r\ntransfer-encoding : chunked",
        ),
        (
            "a line between",
            "content-length: 4\r\ntransfer-encoding:\r\n chunked",
        ),
        ("a bare LF before", "x: y\ntransfer-encoding: chunked"),
        ("a bare CR before", "x: y\rtransfer-encoding: chunked"),
    ] {
        let head = format!("POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n");
        refused(&edge, 400, what, &head).await;
        refused(&edge, 400, what, format!("{head}0\r\n\r\n")).await;
    }
    let head = "POST /webhooks/stripe HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    refused(&edge, 400, "chunked in HTTP/1.0", head).await;
}

#[tokio::test]
async fn lines_end_and_are_spelt_as_the_standard_says() {
    let edge = Harness::start().await;
    for (what, request) in [
        ("LF after the first line", " HTTP/1.1\nhost: x\r\n\r\n"),
        ("LF after a header", " HTTP/1.1\r\nhost: x\n\r\n"),
        ("LF at the end", " HTTP/1.1\r\nhost: x\r\n\n"),
        ("LF alone", " HTTP/1.1\nhost: x\n\n"),
        ("CR within", " HTTP/1.1\r\nhost: x\ry: z\r\n\r\n"),
        (
            "a folded line",
            " HTTP/1.1\r\nhost: x\r\ny: a\r\n b\r\n\r\n",
        ),
        ("a folded first line", " HTTP/1.1\r\n host: x\r\n\r\n"),
        ("a space before the colon", " HTTP/1.1\r\nhost : x\r\n\r\n"),
        ("no name", " HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n"),
        ("no colon", " HTTP/1.1\r\nhost: x\r\ny\r\n\r\n"),
        ("a NUL", " HTTP/1.1\r\nhost: x\r\ny: a\0b\r\n\r\n"),
        ("a bell", " HTTP/1.1\r\nhost: x\r\ny: a\x07b\r\n\r\n"),
        ("a DEL", " HTTP/1.1\r\nhost: x\r\ny: a\x7fb\r\n\r\n"),
        (
            "a name in brackets",
            " HTTP/1.1\r\nhost: x\r\n(y): b\r\n\r\n",
        ),
        ("no version", "\r\nhost: x\r\n\r\n"),
        ("another version", " HTTP/1.2\r\nhost: x\r\n\r\n"),
        ("version 2", " HTTP/2.0\r\nhost: x\r\n\r\n"),
        ("version 9", " HTTP/9.9\r\nhost: x\r\n\r\n"),
        ("a tab", "\tHTTP/1.1\r\nhost: x\r\n\r\n"),
    ] {
        refused(&edge, 400, what, format!("{GET}{request}")).await;
    }
    for (what, request) in [
        ("a space first", " GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("no method", "/ HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("no word", "G@T / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("TLS", "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03\r\n\r\n"),
        ("almost HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rx\r\n\r\n"),
    ] {
        refused(&edge, 400, what, request).await;
    }
}

#[tokio::test]
async fn a_target_is_a_path_or_names_the_same_host() {
    let edge = Harness::start().await;
    let ask = async |method: &str, target: &str| {
        let rest = "HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n";
        status(&say_all(edge.edge, format!("{method} {target} {rest}")).await)
    };
    assert_eq!(ask("GET", "/.well-known/jwks.json").await, 200);
    assert_eq!(ask("GET", "http://shop/.well-known/jwks.json").await, 200);
    for (method, target, expected) in [
        ("GET", "http://other/.well-known/jwks.json", 400),
        ("GET", "http://a@shop/.well-known/jwks.json", 400),
        ("GET", "/.well-known/jwks.json#top", 400),
        ("GET", "/.well-known/../webhooks/stripe", 404),
        ("GET", "/.well-known/%2e%2e/webhooks", 404),
        ("GET", "//other/.well-known/jwks.json", 404),
        ("GET", "shop:80", 404),
        ("GET", "*", 404),
        ("OPTIONS", "*", 404),
        ("TRACE", "/.well-known/jwks.json", 405),
        ("BREW", "/.well-known/jwks.json", 405),
        ("get", "/.well-known/jwks.json", 405),
        ("CONNECT", "shop:443", 405),
    ] {
        assert_eq!(ask(method, target).await, expected, "{method} {target}");
    }
}

#[tokio::test]
async fn heads_have_a_size() {
    let edge = Harness::start().await;
    let with = |name: &str, bytes: usize| {
        format!(
            "{GET} HTTP/1.1\r\nhost: x\r\n{name}: {}\r\n\r\n",
            "v".repeat(bytes)
        )
    };
    refused(&edge, 431, "a large header", with("x", 40_000)).await;
    refused(&edge, 431, "a huge header", with("x", 900_000)).await;
    refused(&edge, 431, "a long name", with(&"x".repeat(40_000), 1)).await;
    let many = |count| {
        format!(
            "{GET} HTTP/1.1\r\nhost: x\r\n{}\r\n",
            "x: y\r\n".repeat(count)
        )
    };
    refused(&edge, 431, "many headers", many(150)).await;
    refused(&edge, 400, "very many headers", many(3_000)).await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(10_000));
    refused(&edge, 414, "a long target", long).await;
    // No end of the head, ever.
    let mut raw = Raw::connect(edge.edge).await;
    raw.say(format!("{GET} HTTP/1.1\r\nhost: x\r\n")).await;
    for _ in 0..10_000 {
        if !raw
            .say("x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
            .await
        {
            break;
        }
    }
    // Too many, or too large, whichever is seen first; a reset may overtake it.
    assert!([0, 400, 431].contains(&status(&raw.hear_out().await)));
}

#[tokio::test]
async fn chunks_are_whole_and_end() {
    let edge = Harness::start().await;
    let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: s\r\n\
        connection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let send = async |body: &str| say_all(edge.edge, format!("{head}{body}")).await;
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;name=value\r\nhello\r\n0\r\n\r\n",
        "005\r\nhello\r\n0;last\r\n\r\n",
        "5\r\nhello\r\n0\r\nx-trailer: ok\r\n\r\n",
    ] {
        let answer = send(body).await;
        assert_eq!(status(&answer), 200, "{body:?}: {answer}");
        assert!(answer.contains("hello"), "{body:?}: {answer}");
    }
    for body in [
        "x\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
    ] {
        let answer = attack(&edge, body, format!("{head}{body}").as_bytes()).await;
        assert!([0, 400].contains(&status(&answer)), "{body:?}: {answer}");
    }
    // A size without digits is read as 0; what follows goes with the connection.
    let empty = format!("{head}\r\nhello\r\n0\r\n\r\n");
    attack(&edge, "no digits", empty.as_bytes()).await;
    let endless = format!("{head}5;{}", "x".repeat(200_000));
    let answer = attack(&edge, "an extension without end", endless.as_bytes()).await;
    assert!([0, 400].contains(&status(&answer)), "{answer}");
}

#[tokio::test]
async fn a_body_ends_where_it_says_and_what_follows_is_not_its_own_request() {
    let edge = Harness::start().await;
    let hook = |headers: &str, body: &str| {
        format!(
            "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: s\r\n{headers}\r\n\r\n{body}"
        )
    };
    // Whole requests one after the other are not taken at once.
    let two = hook("content-length: 5", "hello");
    let answer = attack(&edge, "another behind it", two.as_bytes()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let chunked = hook("transfer-encoding: chunked", "0\r\n\r\n");
    let answer = attack(&edge, "another behind chunks", chunked.as_bytes()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    // A body that looks like a request is a body.
    let id = format!("smuggled-{}", product_id());
    let hidden = get_product(&id);
    let head = hook(
        &format!("connection: close\r\ncontent-length: {}", hidden.len()),
        "",
    );
    let answer = say_all(edge.edge, [head.as_bytes(), &hidden].concat()).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert_eq!(edge.shop.calls(&id), 0);
    // Nor does a refused request leave its body behind.
    let id = format!("smuggled-{}", product_id());
    let hidden = get_product(&id);
    let head = format!(
        "POST /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        hidden.len()
    );
    let answer = say_all(edge.edge, [head.as_bytes(), &hidden].concat()).await;
    assert_eq!(status(&answer), 404, "{answer}");
    assert_eq!(edge.shop.calls(&id), 0);
}

#[tokio::test]
async fn no_other_protocol_is_begun_within_this_one() {
    let edge = Harness::start().await;
    for upgrade in ["h2c", "websocket"] {
        let request = format!(
            "{GET} HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings, close\r\n\
             upgrade: {upgrade}\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
        );
        let answer = say_all(edge.edge, request).await;
        assert_eq!(status(&answer), 200, "{upgrade}: {answer}");
    }
}

#[tokio::test]
async fn old_and_plain_requests_are_answered() {
    let edge = Harness::start().await;
    for request in [
        format!("{GET} HTTP/1.0\r\nhost: x\r\n\r\n"),
        format!("\r\n{GET} HTTP/1.1\r\nHOST:x\r\nConnection: close\r\n\r\n"),
    ] {
        let answer = say_all(edge.edge, &request).await;
        assert_eq!(status(&answer), 200, "{request:?}: {answer}");
        let lower = answer.to_lowercase();
        assert!(!lower.contains("\r\nserver:"), "{answer}");
        assert!(
            lower.contains("x-content-type-options: nosniff"),
            "{answer}"
        );
        assert!(
            lower.contains("content-security-policy: default-src 'none'"),
            "{answer}"
        );
    }
}

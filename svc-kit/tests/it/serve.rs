//! The server stack: who gets through the gate, and what comes back.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Json, Router, routing::get};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, jwk::Jwk};
use proto::souk::payment::v1::{
    Discrepancy, GetLedgerRequest, GetPaymentRequest, GetReconciliationRequest, Ledger,
    ListDiscrepanciesRequest, ListDiscrepanciesResponse, ListRefundsRequest, ListRefundsResponse,
    LookUpPaymentRequest, Payment, ReconcileRequest, Reconciliation, RefreshPaymentRequest, Refund,
    RefundPaymentRequest, ResolveDiscrepancyRequest, RetryRefundRequest,
    payment_service_client::PaymentServiceClient,
    payment_service_server::{PaymentService, PaymentServiceServer},
};
use svc_kit::{
    Shutdown,
    auth::{ALGORITHM, AuthConfig, Claims, TOKEN_TYPE, Verifier},
    caller::Caller,
    client::{self, ClientConfig},
    clock::Clock,
    deadline,
    id::{self, AccountId},
    secret::Secret,
    server::{Server, ServerConfig},
};
use tokio::{net::TcpListener, sync::Notify};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

/// The private key of RFC 8410, section 10.3.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----";

/// A service whose answers depend on the order's id.
struct Answers {
    entered: Arc<Notify>,
    release: Arc<Notify>,
}

#[tonic::async_trait]
impl PaymentService for Answers {
    async fn get_payment(
        &self,
        request: Request<GetPaymentRequest>,
    ) -> Result<Response<Payment>, Status> {
        let caller = Caller::of(&request)?;
        match request.get_ref().order_id.as_str() {
            "panic" => panic!("on purpose"),
            "wait" => {
                self.entered.notify_one();
                self.release.notified().await;
            }
            _ => {}
        }
        let left = deadline::remaining().unwrap_or_default();
        Ok(Response::new(Payment {
            id: caller.account_id.to_string(),
            failure_reason: left.as_millis().to_string(),
            ..Default::default()
        }))
    }

    async fn get_ledger(&self, _: Request<GetLedgerRequest>) -> Result<Response<Ledger>, Status> {
        Ok(Response::new(Ledger::default()))
    }

    async fn look_up_payment(
        &self,
        _: Request<LookUpPaymentRequest>,
    ) -> Result<Response<Payment>, Status> {
        Ok(Response::new(Payment::default()))
    }

    async fn refund_payment(
        &self,
        _: Request<RefundPaymentRequest>,
    ) -> Result<Response<Refund>, Status> {
        Err(not_here())
    }

    async fn list_refunds(
        &self,
        _: Request<ListRefundsRequest>,
    ) -> Result<Response<ListRefundsResponse>, Status> {
        Err(not_here())
    }

    async fn refresh_payment(
        &self,
        _: Request<RefreshPaymentRequest>,
    ) -> Result<Response<Payment>, Status> {
        Err(not_here())
    }

    async fn retry_refund(
        &self,
        _: Request<RetryRefundRequest>,
    ) -> Result<Response<Refund>, Status> {
        Err(not_here())
    }

    async fn reconcile(
        &self,
        _: Request<ReconcileRequest>,
    ) -> Result<Response<Reconciliation>, Status> {
        Err(not_here())
    }

    async fn get_reconciliation(
        &self,
        _: Request<GetReconciliationRequest>,
    ) -> Result<Response<Reconciliation>, Status> {
        Err(not_here())
    }

    async fn list_discrepancies(
        &self,
        _: Request<ListDiscrepanciesRequest>,
    ) -> Result<Response<ListDiscrepanciesResponse>, Status> {
        Err(not_here())
    }

    async fn resolve_discrepancy(
        &self,
        _: Request<ResolveDiscrepancyRequest>,
    ) -> Result<Response<Discrepancy>, Status> {
        Err(not_here())
    }
}

/// The answer of methods that no test here calls.
fn not_here() -> Status {
    Status::unimplemented("not here")
}

struct Running {
    url: String,
    admin_url: String,
    clock: Clock,
    entered: Arc<Notify>,
    release: Arc<Notify>,
    shutdown: Shutdown,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

fn jwks() -> serde_json::Value {
    let key = EncodingKey::from_ed_pem(KEY.as_bytes()).unwrap();
    let mut jwk = Jwk::from_encoding_key(&key, ALGORITHM).unwrap();
    jwk.common.key_id = Some("test".to_owned());
    DecodingKey::from_jwk(&jwk).unwrap();
    serde_json::json!({ "keys": [jwk] })
}

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

async fn serve(max_concurrent_calls: usize) -> Running {
    let keys = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let jwks_url = format!("http://{}/jwks.json", keys.local_addr().unwrap());
    let router = Router::new().route("/jwks.json", get(async || Json(jwks())));
    tokio::spawn(async move { axum::serve(keys, router).await });

    let clock = Clock::manual(chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let auth = AuthConfig {
        jwks_url,
        issuer: "souk".to_owned(),
        audience: "souk".to_owned(),
    };
    let config = ServerConfig {
        listen: free_address().await,
        admin_listen: free_address().await,
        max_concurrent_calls,
        default_timeout_ms: 2000,
        grace_ms: 100,
        internal_secret: Some("among us".to_owned().into()),
    };
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let shutdown = Shutdown::new();
    let server = Server::new("test", &config, Verifier::new(&auth, clock.clone()))
        .add_service(PaymentServiceServer::new(Answers {
            entered: entered.clone(),
            release: release.clone(),
        }))
        .http(Router::new().route("/hello", get(async || "hello")))
        .ready("always", async || Ok(()));
    tokio::spawn(server.serve(shutdown.clone()));
    let running = Running {
        url: format!("http://{}", config.listen),
        admin_url: format!("http://{}", config.admin_listen),
        clock,
        entered,
        release,
        shutdown,
    };
    let up = async {
        while !reqwest::get(format!("{}/readyz", running.admin_url))
            .await
            .is_ok_and(|answer| answer.status() == 200)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), up)
        .await
        .expect("the server comes up");
    running
}

impl Running {
    fn client(&self, secret: Option<&str>) -> PaymentServiceClient<client::Channel> {
        let secret = secret.map(|secret| Secret::from(secret.to_owned()));
        let config = ClientConfig { timeout_ms: 5000 };
        PaymentServiceClient::new(client::channel(&self.url, &config, secret.as_ref()).unwrap())
    }

    fn claims(&self, role: &str) -> Claims {
        let now = self.clock.now().timestamp();
        Claims {
            iss: "souk".to_owned(),
            aud: "souk".to_owned(),
            sub: AccountId::generate(&self.clock),
            sid: id::generate(&self.clock),
            roles: vec![role.to_owned()],
            exp: now + 900,
            iat: now,
            nbf: now,
            jti: id::generate(&self.clock),
        }
    }
}

fn sign(claims: &Claims) -> String {
    let header = Header {
        typ: Some(TOKEN_TYPE.to_owned()),
        kid: Some("test".to_owned()),
        ..Header::new(ALGORITHM)
    };
    jsonwebtoken::encode(
        &header,
        claims,
        &EncodingKey::from_ed_pem(KEY.as_bytes()).unwrap(),
    )
    .unwrap()
}

fn get_payment(order_id: &str, token: &str) -> Request<GetPaymentRequest> {
    let mut request = Request::new(GetPaymentRequest {
        order_id: order_id.to_owned(),
    });
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn a_caller_is_who_the_token_says() {
    let server = serve(10).await;
    let claims = server.claims("customer");
    let answer = server
        .client(None)
        .get_payment(get_payment("", &sign(&claims)))
        .await
        .unwrap();
    assert_eq!(answer.get_ref().id, claims.sub.to_string());
}

#[tokio::test]
async fn a_token_that_is_missing_or_false_or_old_or_early_or_elsewheres_is_refused() {
    let server = serve(10).await;
    let mut client = server.client(None);
    let good = server.claims("customer");
    let refused = [
        (
            "old",
            Claims {
                exp: good.iat - 60,
                ..good.clone()
            },
        ),
        (
            "early",
            Claims {
                nbf: good.iat + 60,
                ..good.clone()
            },
        ),
        (
            "issuer",
            Claims {
                iss: "elsewhere".to_owned(),
                ..good.clone()
            },
        ),
        (
            "audience",
            Claims {
                aud: "elsewhere".to_owned(),
                ..good.clone()
            },
        ),
    ];
    for (what, claims) in refused {
        let status = client
            .get_payment(get_payment("", &sign(&claims)))
            .await
            .expect_err(what);
        assert_eq!(status.code(), Code::Unauthenticated, "{what}");
    }
    let missing = client
        .get_payment(GetPaymentRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        missing.get_error_details().error_info().unwrap().reason,
        "TOKEN_MISSING"
    );
    let mut forged = sign(&good);
    forged.truncate(forged.len() - 8);
    let forged = client
        .get_payment(get_payment("", &forged))
        .await
        .unwrap_err();
    assert_eq!(forged.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_token_dies_when_its_time_is_over() {
    let server = serve(10).await;
    let token = sign(&server.claims("customer"));
    server
        .client(None)
        .get_payment(get_payment("", &token))
        .await
        .unwrap();
    server.clock.advance(Duration::from_secs(906));
    let status = server
        .client(None)
        .get_payment(get_payment("", &token))
        .await
        .unwrap_err();
    assert_eq!(
        status.get_error_details().error_info().unwrap().reason,
        "TOKEN_EXPIRED"
    );
}

#[tokio::test]
async fn what_is_for_staff_is_for_staff() {
    let server = serve(10).await;
    for (role, code) in [("customer", Code::PermissionDenied), ("staff", Code::Ok)] {
        let mut request = Request::new(GetLedgerRequest::default());
        let token = sign(&server.claims(role));
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
        let answer = server.client(None).get_ledger(request).await;
        assert_eq!(
            answer.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{role}"
        );
    }
}

#[tokio::test]
async fn a_method_without_a_policy_answers_only_the_mesh() {
    let server = serve(10).await;
    for (secret, code) in [
        (None, Code::PermissionDenied),
        (Some("a guess"), Code::PermissionDenied),
        (Some("among us"), Code::Ok),
    ] {
        let answer = server
            .client(secret)
            .look_up_payment(LookUpPaymentRequest::default())
            .await;
        assert_eq!(
            answer.map_or_else(|status| status.code(), |_| Code::Ok),
            code,
            "{secret:?}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_answered_and_the_server_goes_on() {
    let server = serve(10).await;
    let token = sign(&server.claims("customer"));
    let status = server
        .client(None)
        .get_payment(get_payment("panic", &token))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Internal, "internal error")
    );
    server
        .client(None)
        .get_payment(get_payment("", &token))
        .await
        .unwrap();
}

/// Posts the body of a gRPC-web call as it is.
async fn post(server: &Running, body: Vec<u8>) -> (String, String) {
    let token = sign(&server.claims("customer"));
    let url = format!("{}/souk.payment.v1.PaymentService/GetPayment", server.url);
    let request = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/grpc-web+proto")
        .header("authorization", format!("Bearer {token}"))
        .body(body);
    let answer = request.send().await.unwrap();
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    (header("grpc-status"), header("grpc-message"))
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_the_callers_fault() {
    let server = serve(10).await;
    let malformed = [
        ("a varint without an end", vec![0, 0, 0, 0, 1, 0xff]),
        ("bad UTF-8", vec![0, 0, 0, 0, 3, 0x0a, 1, 0xff]),
        ("no message", vec![]),
        ("a frame that is cut off", vec![0, 0, 0, 0, 9, 1]),
        ("compressed with nothing", vec![1, 0, 0, 0, 0]),
        (
            "too long",
            [vec![0, 0x7f, 0xff, 0xff, 0xff], vec![0; 64]].concat(),
        ),
    ];
    for (what, body) in malformed {
        let (status, message) = post(&server, body).await;
        let invalid = (Code::InvalidArgument as i32).to_string();
        assert_eq!(status, invalid, "{what}: {message}");
    }
}

#[tokio::test]
async fn a_call_ends_at_the_callers_deadline() {
    let server = serve(10).await;
    let mut request = get_payment("wait", &sign(&server.claims("customer")));
    request.set_timeout(Duration::from_millis(50));
    let status = server.client(None).get_payment(request).await.unwrap_err();
    assert!(
        matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_neighbour_is_told_how_much_time_is_left() {
    let server = serve(10).await;
    let token = sign(&server.claims("customer"));
    let call = server
        .client(None)
        .get_payment(get_payment("", &token))
        .await;
    // The method's own limit is two seconds; the client would wait for five.
    let left: u64 = call.unwrap().get_ref().failure_reason.parse().unwrap();
    assert!((1..=2000).contains(&left), "{left}");
    let late = deadline::within(Duration::from_millis(300), async {
        server
            .client(None)
            .get_payment(get_payment("", &token))
            .await
    });
    let left: u64 = late
        .await
        .unwrap()
        .unwrap()
        .get_ref()
        .failure_reason
        .parse()
        .unwrap();
    assert!(left <= 300, "{left}");
}

#[tokio::test]
async fn more_calls_than_there_are_places_for_are_refused_at_once() {
    let server = serve(1).await;
    let token = sign(&server.claims("customer"));
    let mut first = server.client(None);
    let waiting = tokio::spawn({
        let request = get_payment("wait", &token);
        async move { first.get_payment(request).await }
    });
    tokio::time::timeout(Duration::from_secs(10), server.entered.notified())
        .await
        .expect("the first call to get in");
    let status = server
        .client(None)
        .get_payment(get_payment("", &token))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_error_details().retry_info().is_some());
    server.release.notify_one();
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn plain_http_metrics_and_health_are_answered_beside_the_methods() {
    let server = serve(10).await;
    let get = async |url: String| reqwest::get(url).await.unwrap().text().await.unwrap();
    assert_eq!(get(format!("{}/hello", server.url)).await, "hello");
    assert_eq!(get(format!("{}/livez", server.admin_url)).await, "ok\n");
    server
        .client(Some("among us"))
        .look_up_payment(LookUpPaymentRequest::default())
        .await
        .unwrap();
    let metrics = get(format!("{}/metrics", server.admin_url)).await;
    assert!(metrics.contains("rpc_server_requests_total"), "{metrics}");
}

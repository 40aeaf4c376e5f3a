//! The way of a request through the edge, in Pingora's hooks. Each step is one
//! line here and lives in a module of its own.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use pingora::{
    Error, ErrorSource, ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    proxy::{FailToProxy, ProxyHttp, Session},
    upstreams::peer::HttpPeer,
};
use proto::policy::Access;
use svc_kit::auth::Claims;
use tonic::Code;

use crate::{
    access_log::AccessLog,
    address::{self, Network},
    answer,
    bounds::{Bounds, GRACE},
    connection::{Conduct, Patience},
    context::{Context, InFlight},
    cors::{self, Cors},
    deadline::{self, Deadline},
    failure, framing,
    guard::Guard,
    headers,
    http_cache::{tags, through::Through},
    limit::{Limits, Verdict},
    live::Live,
    metrics,
    protocol::Protocol,
    read_through::ReadThrough,
    refusal::Refusal,
    route::{Route, Routes, Target},
    short_way::ShortWay,
    streams::Streams,
    trace::Trace,
    upstream::{Choice, Upstreams},
};

/// How long the rest of a refused request is read, so that its connection can
/// be used again.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Addresses of an origin that a request passes over.
const MAX_UNREACHED: usize = 1;

/// An instance's answer that is not handed on: another instance is asked.
const DECLINED: ErrorType = ErrorType::Custom("Declined");

/// The edge, as Pingora sees it.
#[derive(Debug)]
pub struct Edge {
    /// Where requests go.
    pub routes: Routes,
    /// Who may pass.
    pub guard: Guard,
    /// How often.
    pub limits: Arc<Limits>,
    /// Whose scripts may read the answers.
    pub cors: Live<Cors>,
    /// Proxies before us that are believed.
    pub trusted_proxies: Live<Vec<Network>>,
    /// How long callers may take.
    pub patience: Patience,
    /// Where the services are.
    pub upstreams: Upstreams,
    /// Answers from the cache.
    pub read_through: ReadThrough,
    /// Pages of plain HTTP from the cache.
    pub through: Through,
    /// The short way of small calls.
    pub short_way: ShortWay,
    /// Limits on time and size.
    pub bounds: Bounds,
    /// One line for each request.
    pub access_log: Live<AccessLog>,
    /// The end of streams.
    pub streams: Streams,
    /// How much runs.
    pub in_flight: InFlight,
}

impl Edge {
    /// Reads what the headers say about the request.
    fn read(&self, session: &Session, context: &mut Context) {
        let request = session.req_header();
        context.trace = Trace::of(&request.headers);
        if request.method == Method::POST {
            context.protocol = Protocol::of(&request.headers); // nothing else is a call
        }
        context.secure = session
            .digest()
            .is_some_and(|digest| digest.ssl_digest.is_some());
        context.caller = address::of_caller(
            peer(session),
            &request.headers,
            &self.trusted_proxies.load(),
        );
        context.origin = self.cors.load().admitted(&request.headers);
    }

    /// Finds the request's route and whether it may take it.
    async fn admit(&self, session: &Session, context: &mut Context) -> Result<Route, Refusal> {
        let request = session.req_header();
        let Some(route) = self.routes.find(request.uri.path()) else {
            return Err(if context.protocol.is_grpc() {
                Refusal::MethodUnknown
            } else {
                Refusal::NotFound
            });
        };
        context.route = Some(route.clone());
        if !route.takes(&request.method) {
            return Err(Refusal::MethodNotAllowed(route.methods()));
        }
        if route.access() != Access::Public
            && let Some(verdict) = self.limits.recall(route.limit(), context.caller)
        {
            note(verdict, context)?;
        }
        let vetted = self.vet(&route, session, context).await;
        // Whoever is turned away has called all the same.
        let account = vetted.as_ref().ok().and_then(Option::as_ref);
        let account = account.map(|claims| claims.sub);
        let counting = self.limits.count(route.limit(), context.caller, account);
        note(counting.await, context)?;
        context.claims = vetted?;
        let declared = headers::content_length(&request.headers).unwrap_or(0);
        if declared > self.bounds.max_body(&route) {
            return Err(Refusal::BodyTooLarge);
        }
        if context.deadline.passed() {
            return Err(Refusal::DeadlineExceeded);
        }
        Ok(route)
    }

    /// Who calls, if the route's protocol is kept and its access allows it.
    async fn vet(
        &self,
        route: &Route,
        session: &Session,
        context: &mut Context,
    ) -> Result<Option<Claims>, Refusal> {
        let request = session.req_header();
        if let Route::Method(method) = route {
            if !context.protocol.is_grpc() {
                return Err(Refusal::MediaTypeUnsupported);
            }
            if context.protocol == Protocol::Grpc && !session.is_http2() {
                return Err(Refusal::HttpVersionUnsupported);
            }
            let requested = deadline::requested(&request.headers);
            context.deadline = Deadline::new(context.started, requested, self.bounds.cap(method));
        } else if let Target::Service(_) = route.target() {
            // What an origin takes and gives may be of any length.
            let cap = Some(self.bounds.default_timeout);
            context.deadline = Deadline::new(context.started, None, cap);
        }
        self.guard.admit(route.access(), &request.headers).await
    }

    /// Where an attempt goes.
    fn peer(&self, session: &mut Session, context: &mut Context) -> Result<HttpPeer, Refusal> {
        let route = context.route.as_ref().ok_or(Refusal::Internal)?;
        let silence = self.bounds.silence(route, context.deadline);
        context.body_bytes = 0; // it is sent from the start
        let service = match route.target() {
            Target::Service(service) => service,
            Target::Origin(site) => {
                let peer = site.peer(silence)?;
                if context.place.is_none() {
                    context.place = Some(site.place()?);
                }
                context.upstream = Some(format!("{}@{}", site.prefix(), peer._address).into());
                return Ok(peer);
            }
        };
        let call = match &mut context.call {
            Some(call) => call,
            none => {
                let begun = self
                    .upstreams
                    .call(service, route.is_stream(), Choice::Load)?;
                none.insert(begun)
            }
        };
        let peer = call.attempt(silence, context.deadline)?;
        context.upstream = call.label();
        if session.as_mut().is_body_empty() {
            call.sent();
        }
        Ok(peer)
    }

    /// Ends a call whose time is over, however slowly it drips, and a stream
    /// whose caller may not stay. A single call that was begun is answered: it
    /// has been done.
    fn stay(&self, context: &mut Context) -> Result<()> {
        if context.deadline.passed_by(GRACE) {
            return break_with(context, Refusal::DeadlineExceeded);
        }
        let (Some(route), Some(claims)) = (&context.route, &context.claims) else {
            return Ok(());
        };
        if !route.is_stream() {
            return Ok(());
        }
        match self.guard.admits_still(claims) {
            Ok(()) => Ok(()),
            Err(refusal) => break_with(context, refusal),
        }
    }
}

/// Notes what came of counting a request.
fn note(verdict: Verdict, context: &mut Context) -> Result<(), Refusal> {
    context.standing = verdict.standing;
    context.shadow_refused = verdict.shadow_refused;
    verdict.refusal.map_or(Ok(()), Err)
}

/// Ends a request that is under way, with this refusal.
fn break_with(context: &mut Context, refusal: Refusal) -> Result<()> {
    let status = refusal.http().as_u16();
    context.refusal = Some(refusal);
    Err(Error::new_down(ErrorType::HTTPStatus(status)))
}

/// Whether a request can be looked at at all.
fn check(session: &Session) -> Result<(), Refusal> {
    headers::check(session.req_header())?;
    match session.as_downstream().as_http1() {
        Some(http1) if !framing::is_unambiguous(&http1.get_headers_raw_bytes()) => {
            Err(Refusal::RequestMalformed)
        }
        _ => Ok(()),
    }
}

/// The address at the other end of the connection.
pub(crate) fn peer(session: &Session) -> IpAddr {
    session
        .client_addr()
        .and_then(|address| address.as_inet())
        .map_or(Ipv4Addr::UNSPECIFIED.into(), std::net::SocketAddr::ip)
}

#[async_trait]
impl ProxyHttp for Edge {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(&self.in_flight)
    }

    /// None: the default one compresses at level zero, and costs each request
    /// some allocations.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        if let Some(conduct) = Conduct::of(session.digest()) {
            conduct.request_came();
        }
        session.set_read_timeout(Some(self.patience.read()));
        session.set_write_timeout(Some(self.patience.write()));
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        self.read(session, context);

        if let Err(refusal) = check(session) {
            answer::refuse(session, context, refusal).await?;
            return Ok(true);
        }
        let request = session.req_header_mut();
        // Before anybody looks whom an answer is for: nobody further is told.
        for name in headers::named_by_connection(&request.headers) {
            request.remove_header(&name);
        }
        if cors::is_preflight(&request.method, &request.headers) {
            answer::preflight(session, context).await?;
            return Ok(true);
        }
        let route = match self.admit(session, context).await {
            Ok(route) => route,
            Err(refusal) => {
                answer::refuse(session, context, refusal).await?;
                return Ok(true);
            }
        };
        if let Route::Method(method) = &route
            && let Some(plan) = &method.cache
        {
            return self
                .read_through
                .answer(session, context, method, plan)
                .await
                // What a service does is an outcome there, not an error.
                .map_err(Error::into_down);
        }
        if let Some(site) = route.site() {
            return self.through.answer(session, context, site).await;
        }
        self.short_way.answer(self, session, context).await
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Context,
    ) -> Result<()> {
        context.body_bytes += body.as_ref().map_or(0, Bytes::len);
        if end_of_stream && let Some(call) = &mut context.call {
            call.sent();
        }
        let over = context
            .route
            .as_ref()
            .is_some_and(|route| context.body_bytes > self.bounds.max_body(route));
        if over {
            return break_with(context, Refusal::BodyTooLarge);
        }
        self.stay(context)
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        match self.peer(session, context) {
            Ok(mut peer) => {
                if context.route.as_ref().is_some_and(Route::is_stream) {
                    self.streams.join(&mut peer);
                }
                Ok(Box::new(peer))
            }
            Err(refusal) => {
                context.refusal = Some(refusal);
                Err(Error::new_up(ErrorType::ConnectError))
            }
        }
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        headers::to_service(request, context, peer(session))
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let is_prefix = matches!(context.route, Some(Route::Prefix(_)));
        if context
            .route
            .as_ref()
            .is_some_and(|route| route.site().is_some())
        {
            self.through
                .passed(session.req_header(), context.secure, answer);
            for name in headers::named_by_connection(&answer.headers) {
                answer.remove_header(&name);
            }
            tags::hide(answer);
        } else if is_prefix && is_nothing(answer) {
            return break_with(context, Refusal::NotFound);
        }
        context.grpc_status = grpc_status(&answer.headers);
        let declined = is_declined(answer);
        let is_repeatable = declined && is_repeatable(session, context);
        if let Some(call) = &mut context.call {
            call.answered(declined);
            if is_repeatable && call.may_go_elsewhere(context.deadline) {
                context.repeating = true;
                return Err(Error::new_up(DECLINED));
            }
        }
        headers::dress(answer, context)
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        if body.as_ref().is_some_and(|body| !body.is_empty()) {
            self.stay(context)?;
        }
        if context.protocol == Protocol::GrpcWeb
            && let Some(body) = body
        {
            context.status_reader.read(body);
        }
        Ok(None)
    }

    fn upstream_response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        context: &mut Context,
    ) -> Result<()> {
        context.grpc_status = grpc_status(trailers).or(context.grpc_status);
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        context: &mut Context,
        error: Box<Error>,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("peer {}", peer._address));
        // Nothing was sent: another instance may have it, whatever it does.
        if let Some(site) = context.route.as_ref().and_then(Route::site) {
            context.unreached += 1;
            error.set_retry(site.pass_over(peer) && context.unreached <= MAX_UNREACHED);
            return error;
        }
        let deadline = context.deadline;
        let repeat = context.call.as_mut().is_some_and(|call| {
            call.failed();
            call.may_go_elsewhere(deadline)
        });
        error.set_retry(repeat);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Context,
        _client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("peer {}", peer._address));
        let is_upstream = *error.esource() == ErrorSource::Upstream;
        let is_late = matches!(error.etype(), ErrorType::ReadTimedout);
        let is_declined = std::mem::take(&mut context.repeating);
        let is_repeatable = is_repeatable(session, context);
        let repeat = context.call.as_mut().is_some_and(|call| {
            if is_declined {
                call.pass_over();
                return true; // that is paid for
            }
            if !is_upstream || is_late {
                call.given_up();
                return false;
            }
            call.failed();
            // At the same instance if need be: a kept connection may have died
            // unseen.
            is_repeatable && call.may_repeat(context.deadline)
        });
        error.set_retry(repeat);
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let Some(refusal) = failure::refusal_of(error, context) else {
            tracing::debug!(%error, method = context.route_name(), "the caller is gone");
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        if *error.esource() != ErrorSource::Downstream {
            let trace_id = context.trace.id();
            tracing::warn!(%error, trace_id, method = context.route_name(), "not answered");
        }
        if let Some(route) = &context.route
            && *error.esource() == ErrorSource::Upstream
        {
            match route.target() {
                Target::Service(service) => metrics::upstream_failed(service, &refusal),
                Target::Origin(site) => metrics::origin_failed(site.prefix(), &refusal),
            }
        }
        let error_code = refusal.http().as_u16();
        session.set_keepalive(None);
        let told = if session.response_written().is_some() {
            answer::break_off(session, context, refusal).await
        } else {
            answer::refuse(session, context, refusal).await
        };
        if let Err(error) = told {
            tracing::debug!(%error, "the caller is gone");
        }
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    fn suppress_error_log(&self, _session: &Session, _context: &Context, error: &Error) -> bool {
        // Callers come and go; what is ours to know stands in the access log.
        *error.esource() == ErrorSource::Downstream
    }

    fn request_summary(&self, _session: &Session, context: &Context) -> String {
        // The default tells the query string.
        format!("{}, trace {}", context.route_name(), context.trace.id())
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        if session.is_http2()
            && let Some(conduct) = Conduct::of(session.digest())
        {
            if error.is_some_and(is_caller_s) {
                conduct.abandoned();
            } else {
                conduct.answered();
            }
        }
        self.access_log.load().write(session, context, error);
    }
}

/// Whether the caller broke off, rather than was refused.
fn is_caller_s(error: &Error) -> bool {
    *error.esource() == ErrorSource::Downstream
        && !matches!(error.etype(), ErrorType::HTTPStatus(_))
}

/// Whether a request may be sent again: when it changes nothing, and the
/// caller has got nothing yet.
fn is_repeatable(session: &Session, context: &Context) -> bool {
    session.response_written().is_none()
        && !session.as_ref().retry_buffer_truncated()
        && context.route.as_ref().is_some_and(Route::is_repeatable)
}

/// Whether an instance, or something before it, says that it cannot answer.
fn is_declined(answer: &ResponseHeader) -> bool {
    let unavailable = grpc_status(&answer.headers) == Some(Code::Unavailable as i32);
    unavailable || matches!(answer.status.as_u16(), 502..=504)
}

/// Whether a service that was asked for plain HTTP says that there is none:
/// what it takes on the path is not let through, or only its methods answered.
fn is_nothing(answer: &ResponseHeader) -> bool {
    answer.status == StatusCode::METHOD_NOT_ALLOWED || Protocol::of(&answer.headers).is_grpc()
}

fn grpc_status(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

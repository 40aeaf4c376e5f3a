//! One server that plays all services: it counts what it is asked and answers
//! as the product's id says.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    http::HeaderMap,
    middleware::{self, Next},
    routing::{get, post},
};
use proto::souk::{
    catalog::v1::{
        catalog_service_server::{CatalogService, CatalogServiceServer},
        *,
    },
    identity::v1::{
        identity_service_server::{IdentityService, IdentityServiceServer},
        *,
    },
    order::v1::{
        order_service_server::{OrderService, OrderServiceServer},
        *,
    },
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, broadcast, mpsc, watch},
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataMap, service::Routes};
use tonic_health::server::HealthReporter;
use tonic_types::{ErrorDetails, StatusExt as _};

use super::tokens;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// All services.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    /// Calls by product id, or by method.
    calls: Mutex<HashMap<String, usize>>,
    /// The titles of products that have one of their own.
    titles: Mutex<HashMap<String, String>>,
    /// What came with the last call.
    seen: Mutex<Option<MetadataMap>>,
    /// Products "gated-…" wait here.
    pub(crate) gate: Semaphore,
    /// With this every read fails, as long as it is set.
    failing: Mutex<Option<Code>>,
    /// Set: nothing is answered, not even whether it is well.
    pub(crate) hanging: watch::Sender<bool>,
    /// How long each answer takes, in milliseconds.
    pub(crate) delay_ms: Arc<AtomicU64>,
    /// Says whether it is well.
    pub(crate) health: HealthReporter,
    /// Streams that somebody still listens to, and calls that somebody still
    /// waits for though no answer comes.
    pub(crate) watchers: AtomicUsize,
    /// What the streams say.
    pub(crate) updates: broadcast::Sender<String>,
    /// The ids of the keys that are published.
    pub(crate) keys: Mutex<Vec<&'static str>>,
    stop: CancellationToken,
    _stop: DropGuard,
}

impl Shop {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(listener)
    }

    /// At an address that was free a moment ago.
    pub(crate) async fn start_at(address: SocketAddr) -> Arc<Self> {
        Self::serve(TcpListener::bind(address).await.unwrap())
    }

    fn serve(listener: TcpListener) -> Arc<Self> {
        let stop = CancellationToken::new();
        let (hanging, hangs) = watch::channel(false);
        let (health, health_service) = tonic_health::server::health_reporter();
        let delay_ms = Arc::new(AtomicU64::default());
        let shop = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            calls: Mutex::default(),
            titles: Mutex::default(),
            seen: Mutex::default(),
            gate: Semaphore::new(0),
            failing: Mutex::default(),
            hanging,
            delay_ms: Arc::clone(&delay_ms),
            health,
            watchers: AtomicUsize::default(),
            updates: broadcast::channel(64).0,
            keys: Mutex::new(vec![tokens::KEY]),
            stop: stop.clone(),
            _stop: stop.clone().drop_guard(),
        });
        let weak = Arc::downgrade(&shop);
        let jwks = get(move || {
            let shop = weak.upgrade();
            async move {
                let keys = shop.map(|shop| shop.keys.lock().unwrap().clone());
                Json(tokens::jwks(&keys.unwrap_or_default()))
            }
        });
        // What it heard, as it came.
        let webhook = post(|headers: HeaderMap, body: Bytes| async move {
            ([("heard", headers["stripe-signature"].clone())], body)
        });
        // Played by a weak handle, so that a test that drops the shop ends it.
        let play = Play(Arc::downgrade(&shop));
        let router = Routes::new(CatalogServiceServer::new(play.clone()))
            .add_service(OrderServiceServer::new(play.clone()))
            .add_service(IdentityServiceServer::new(play))
            .add_service(health_service)
            .into_axum_router()
            .layer(tonic_web::GrpcWebLayer::new())
            .route("/.well-known/jwks.json", jwks)
            .route("/webhooks/stripe", webhook)
            .layer(middleware::from_fn(
                move |request: axum::extract::Request, next: Next| {
                    let (mut hangs, delay_ms) = (hangs.clone(), Arc::clone(&delay_ms));
                    async move {
                        let _ = hangs.wait_for(|hangs| !hangs).await;
                        let delay = Duration::from_millis(delay_ms.load(SeqCst));
                        if !delay.is_zero() {
                            tokio::time::sleep(delay).await;
                        }
                        next.run(request).await
                    }
                },
            ));
        // On a runtime of its own: when that ends, so do its connections.
        let listener = listener.into_std().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = stop.cancelled() => {}
                    served = axum::serve(listener, router) => served.unwrap(),
                }
            });
        });
        shop
    }

    /// Ends, with all connections, without a word.
    pub(crate) fn crash(&self) {
        self.stop.cancel();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often a product, or a method, was asked for.
    pub(crate) fn calls(&self, what: &str) -> usize {
        self.calls.lock().unwrap().get(what).copied().unwrap_or(0)
    }

    /// How often anything was asked for.
    pub(crate) fn all_calls(&self) -> usize {
        self.calls.lock().unwrap().values().sum()
    }

    pub(crate) fn fail_with(&self, code: Option<Code>) {
        *self.failing.lock().unwrap() = code;
    }

    pub(crate) fn set_title(&self, id: &str, title: &str) {
        self.titles
            .lock()
            .unwrap()
            .insert(id.to_owned(), title.to_owned());
    }

    /// A header of the last call.
    pub(crate) fn saw(&self, name: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        let value = seen.as_ref()?.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    }

    fn note(&self, what: &str, metadata: &MetadataMap) {
        *self
            .calls
            .lock()
            .unwrap()
            .entry(what.to_owned())
            .or_default() += 1;
        *self.seen.lock().unwrap() = Some(metadata.clone());
    }
}

#[derive(Clone)]
struct Play(std::sync::Weak<Shop>);

impl Play {
    fn shop(&self) -> Result<Arc<Shop>, Status> {
        self.0.upgrade().ok_or(Status::unavailable("closed"))
    }
}

/// What `async_trait` makes of a method: it does not see into a macro.
macro_rules! not_played {
    ($($method:ident($request:ty) -> $response:ty;)*) => {$(
        fn $method<'s, 't>(
            &'s self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 't>>
        where
            's: 't,
            Self: 't,
        {
            Box::pin(std::future::ready(Err(Status::unimplemented("not played"))))
        }
    )*};
}

#[tonic::async_trait]
impl CatalogService for Play {
    type ImportProductsStream = Answers<ImportProductsResponse>;

    async fn get_product(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<Product>, Status> {
        let shop = self.shop()?;
        let id = request.get_ref().id.clone();
        shop.note(&id, request.metadata());
        // What it knows when it is asked, however long the answer takes.
        let title = shop.titles.lock().unwrap().get(&id).cloned();
        if let Some(code) = *shop.failing.lock().unwrap() {
            return Err(Status::new(code, "failing"));
        }
        if id.starts_with("gated-") {
            shop.gate.acquire().await.unwrap().forget();
        }
        if id.starts_with("never-") {
            std::future::pending::<()>().await;
        }
        if id.starts_with("missing-") {
            let details = ErrorDetails::with_error_info("PRODUCT_UNKNOWN", "souk", HashMap::new());
            return Err(Status::with_error_details(
                Code::NotFound,
                "no such product",
                details,
            ));
        }
        let description = if id.starts_with("large-") {
            "x".repeat(1_000_000)
        } else {
            String::new()
        };
        Ok(Response::new(Product {
            id,
            title: title.unwrap_or_default(),
            description,
            ..Product::default()
        }))
    }

    async fn search_products(
        &self,
        request: Request<SearchProductsRequest>,
    ) -> Result<Response<SearchProductsResponse>, Status> {
        self.shop()?.note("search", request.metadata());
        Ok(Response::new(SearchProductsResponse::default()))
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        let shop = self.shop()?;
        shop.note("batch", request.metadata());
        if request.get_ref().ids == ["never"] {
            shop.watchers.fetch_add(1, SeqCst);
            let _watching = Watching(shop);
            std::future::pending::<()>().await;
        }
        let bytes = request.get_ref().ids.iter().map(String::len).sum::<usize>();
        Ok(Response::new(BatchGetProductsResponse {
            products: Vec::new(),
            missing_ids: vec![bytes.to_string()],
        }))
    }

    async fn get_stock(
        &self,
        request: Request<GetStockRequest>,
    ) -> Result<Response<Stock>, Status> {
        self.shop()?.note("get_stock", request.metadata());
        Ok(Response::new(Stock::default()))
    }

    /// One answer for each message, at once.
    async fn import_products(
        &self,
        request: Request<Streaming<ImportProductsRequest>>,
    ) -> Result<Response<Self::ImportProductsStream>, Status> {
        self.shop()?.note("import", request.metadata());
        let answers = request.into_inner().map(|message| {
            message.map(|message| ImportProductsResponse {
                created: i32::try_from(message.rows.len()).unwrap(),
                ..ImportProductsResponse::default()
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    not_played! {
        list_products(ListProductsRequest) -> ListProductsResponse;
        list_categories(ListCategoriesRequest) -> ListCategoriesResponse;
        suggest_products(SuggestProductsRequest) -> SuggestProductsResponse;
        create_product(CreateProductRequest) -> Product;
        update_product(UpdateProductRequest) -> Product;
        adjust_stock(AdjustStockRequest) -> Stock;
        create_category(CreateCategoryRequest) -> Category;
    }
}

/// Counts for as long as the stream lives.
struct Watching(Arc<Shop>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, SeqCst);
    }
}

#[tonic::async_trait]
impl OrderService for Play {
    type WatchOrderStream = Answers<WatchOrderResponse>;
    type WatchCartStream = Answers<WatchCartResponse>;

    async fn get_cart(&self, request: Request<GetCartRequest>) -> Result<Response<Cart>, Status> {
        self.shop()?.note("get_cart", request.metadata());
        Ok(Response::new(Cart::default()))
    }

    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        self.shop()?.note("place_order", request.metadata());
        Ok(Response::new(Order::default()))
    }

    /// Says what the test says, until it says "end" or "break".
    async fn watch_order(
        &self,
        request: Request<WatchOrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, Status> {
        let shop = self.shop()?;
        shop.note("watch_order", request.metadata());
        let mut updates = shop.updates.subscribe();
        let (sender, receiver) = mpsc::channel(1);
        let watching = Watching(Arc::clone(&shop));
        tokio::spawn(async move {
            watching.0.watchers.fetch_add(1, SeqCst);
            loop {
                let update = tokio::select! {
                    () = sender.closed() => return,
                    update = updates.recv() => update,
                };
                let Ok(update) = update else { return };
                if update == "end" {
                    return;
                }
                let order = Order {
                    id: update,
                    ..Order::default()
                };
                let response = WatchOrderResponse { order: Some(order) };
                if sender.send(Ok(response)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn watch_cart(
        &self,
        _: Request<WatchCartRequest>,
    ) -> Result<Response<Self::WatchCartStream>, Status> {
        Err(Status::unimplemented("not played"))
    }

    not_played! {
        set_cart_item(SetCartItemRequest) -> Cart;
        clear_cart(ClearCartRequest) -> Cart;
        get_order(GetOrderRequest) -> Order;
        list_orders(ListOrdersRequest) -> ListOrdersResponse;
        cancel_order(CancelOrderRequest) -> Order;
        ship_order(ShipOrderRequest) -> Order;
        deliver_order(DeliverOrderRequest) -> Order;
        return_order(ReturnOrderRequest) -> OrderReturn;
        list_reviews(ListReviewsRequest) -> ListReviewsResponse;
        decide_review(DecideReviewRequest) -> OrderReview;
        list_stuck_checkouts(ListStuckCheckoutsRequest) -> ListStuckCheckoutsResponse;
        retry_checkout(RetryCheckoutRequest) -> Order;
        compensate_checkout(CompensateCheckoutRequest) -> Order;
        list_audit_records(ListAuditRecordsRequest) -> ListAuditRecordsResponse;
    }
}

#[tonic::async_trait]
impl IdentityService for Play {
    async fn log_in(
        &self,
        request: Request<LogInRequest>,
    ) -> Result<Response<LogInResponse>, Status> {
        self.shop()?.note("log_in", request.metadata());
        if request.get_ref().email.starts_with("never-") {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(LogInResponse::default()))
    }

    not_played! {
        register(RegisterRequest) -> RegisterResponse;
        refresh_tokens(RefreshTokensRequest) -> RefreshTokensResponse;
        log_out(LogOutRequest) -> LogOutResponse;
        get_profile(GetProfileRequest) -> Account;
        update_profile(UpdateProfileRequest) -> Account;
        list_addresses(ListAddressesRequest) -> ListAddressesResponse;
        create_address(CreateAddressRequest) -> SavedAddress;
        update_address(UpdateAddressRequest) -> SavedAddress;
        delete_address(DeleteAddressRequest) -> DeleteAddressResponse;
    }
}

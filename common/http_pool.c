/*
 * http_pool.c - see http_pool.h.
 *
 * Free connections are a stack: the one that came back last is the one whose
 * keep-alive is most likely to be alive, and after a busy time the others cost
 * nothing but memory.
 */
#include "config.h"

#include "http_pool.h"

#include "common_limits.h"
#include "http_conn.h"
#include "waitlist.h"

#include <errno.h>

struct http_pool {
	struct endpoint *endpoint; /* a reference */
	struct secret *xsrf; /* what we invented for servers without auth */
	struct mutex lock;
	/* guarded by lock: */
	struct waitlist waiters;
	struct http_conn *free;
	unsigned count; /* connections that exist, leased ones included */
	struct http_stats stats;
	struct secret *cookies; /* NULL: none */
};

int http_pool_new(struct endpoint *endpoint, struct http_pool **ret)
{
	struct http_pool *p = g_new0(struct http_pool, 1);

	p->endpoint = endpoint_ref(endpoint);
	p->xsrf = secret_random();
	mutex_init(&p->lock);
	*ret = p;
	return 0;
}

void http_pool_free(struct http_pool *p)
{
	struct http_conn *c;

	if (p == NULL)
		return;
	while ((c = p->free) != NULL) {
		p->free = c->next;
		http_conn_fini(c);
		g_free(c);
	}
	mutex_fini(&p->lock);
	secret_unref(p->cookies);
	secret_unref(p->xsrf);
	endpoint_unref(p->endpoint);
	g_free(p);
}

struct endpoint *http_pool_endpoint(struct http_pool *p)
{
	return p->endpoint;
}

const struct secret *http_pool_xsrf(const struct http_pool *p)
{
	return p->xsrf;
}

struct secret *http_pool_cookies(struct http_pool *p)
{
	struct secret *cookies;

	mutex_lock(&p->lock);
	cookies = secret_ref(p->cookies);
	mutex_unlock(&p->lock);
	return cookies;
}

void http_pool_set_cookies(struct http_pool *p, struct secret *cookies)
{
	struct secret *old;

	mutex_lock(&p->lock);
	old = p->cookies;
	p->cookies = secret_ref(cookies);
	mutex_unlock(&p->lock);
	secret_unref(old);
}

/* The top of the stack, or NULL when there is room for one more: its place is
 * then taken, and the connection is the caller's to make. */
static int take_locked(struct http_pool *p, const struct cancel *cancel,
	int64_t limit_ms, struct http_conn **ret) REQUIRES(p->lock)
{
	int64_t end = clock_now_ms() + limit_ms;
	int rc;

	while (p->free == NULL && p->count >= HTTP_CONNECTIONS_MAX) {
		rc = waitlist_wait(&p->waiters, &p->lock, cancel,
			limit_ms < 0 ? -1 : MAX(end - clock_now_ms(), 0));
		if (rc < 0)
			return rc;
	}
	*ret = p->free;
	if (*ret != NULL)
		p->free = (*ret)->next;
	else
		p->count++;
	return 0;
}

static void give_up_place(struct http_pool *p) EXCLUDES(p->lock)
{
	mutex_lock(&p->lock);
	p->count--;
	waitlist_wake(&p->waiters);
	mutex_unlock(&p->lock);
}

int http_pool_lease(struct http_pool *p, const struct cancel *cancel,
	int64_t limit_ms, struct http_conn **ret)
{
	struct http_conn *c = NULL;
	int rc;

	mutex_lock(&p->lock);
	rc = take_locked(p, cancel, limit_ms, &c);
	mutex_unlock(&p->lock);
	if (rc < 0)
		return rc;
	if (c == NULL) {
		c = g_new0(struct http_conn, 1);
		rc = http_conn_init(c, p->endpoint, p->xsrf);
		if (rc < 0) {
			g_free(c);
			give_up_place(p);
			return rc;
		}
		c->pool = p;
	}
	c->next = NULL;
	*ret = c;
	return 0;
}

void http_pool_return(struct http_conn **conn)
{
	struct http_conn *c = *conn;
	struct http_pool *p;

	if (c == NULL)
		return;
	*conn = NULL;
	p = c->pool;
	mutex_lock(&p->lock);
	c->next = p->free;
	p->free = c;
	waitlist_wake(&p->waiters);
	mutex_unlock(&p->lock);
}

void http_pool_stats(struct http_pool *p, struct http_stats *ret)
{
	mutex_lock(&p->lock);
	*ret = p->stats;
	mutex_unlock(&p->lock);
}

void http_pool_count_request(struct http_pool *p)
{
	mutex_lock(&p->lock);
	p->stats.requests++;
	mutex_unlock(&p->lock);
}

void http_pool_count_exchange(struct http_pool *p, const struct http_stats *one)
{
	struct http_stats *s = &p->stats;

	mutex_lock(&p->lock);
	s->requests += one->requests;
	s->failures += one->failures;
	s->bytes_in += one->bytes_in;
	s->bytes_out += one->bytes_out;
	s->connects += one->connects;
	if (one->latency_us > 0)
		s->latency_us =
			s->latency_us == 0
				? one->latency_us
				: (s->latency_us * 7 + one->latency_us) / 8;
	mutex_unlock(&p->lock);
}

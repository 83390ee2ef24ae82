package session

import com.squareup.moshi.Moshi
import okhttp3.Interceptor
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Protocol
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import okhttp3.ResponseBody.Companion.toResponseBody

/** Runs a day's use against a service that `cargo local` runs. The argument is its URL. */
fun main(arguments: Array<String>) {
    Day(arguments.firstOrNull() ?: "http://127.0.0.1:8080").use()
    println("Kotlin: a day's use went well")
}

private val JSON = "application/json".toMediaType()
private const val ODD = "p2p|a b%20中文😀?#&+|c"

private fun <T> same(actual: T, expected: T, about: String = "") =
    check(actual == expected) { "$about: $actual is not $expected" }

class Day(private val url: String) {
    private val run = System.currentTimeMillis().toString(36)
    private val me = "kt-$run"
    private val http = OkHttpClient()
    private var token = ""
    private var sent = 0

    fun use() {
        signIn()
        val service = SessionService(url) { token }
        val (phone, tablet) = MemoryStore() to MemoryStore()
        val (onPhone, onTablet) = SessionList(service, phone) to SessionList(service, tablet)
        firstPull(service, onPhone, onTablet, phone)
        textOfOnesOwn(service)
        changes(service, onPhone, onTablet, phone, tablet)
        rejections(service)
        busyService(phone)
        aMonthLater(service, onTablet, tablet)
        http.dispatcher.executorService.shutdown()
        http.connectionPool.evictAll()
    }

    private fun firstPull(service: SessionService, onPhone: SessionList, onTablet: SessionList, phone: MemoryStore) {
        for (friend in 0..4) backend("friend-$friend-$run", "hello $friend")
        onPhone.sync()
        onTablet.sync()
        same(phone.list().size, 5)
        var page = service.queryMySessionList(0, null, 1, 2, null)
        val ids = page.sessionList.map { it.sessionId }.toMutableList()
        while (page.hasMore) {
            page = service.nextPage(page.nextCursor!!, 2)
            ids += page.sessionList.map { it.sessionId }
        }
        same(ids.toList(), phone.list().map { it.sessionId }, "each session once, newest first")
        val shown = phone.list().first().parseLastMsg() as Shown.Message
        same(shown.message.from to shown.message.body, "friend-4-$run" to "hello 4")
        // The bounds are in the order of Yunxin's SDK.
        val oldest = phone.list().last().updateTime
        same(service.queryMySessionList(0, oldest, 0, 10, 0).sessionList.map { it.lastMsg }, listOf<String?>(null))
    }

    private fun textOfOnesOwn(service: SessionService) {
        val set = service.updateMySession(ODD, "pinned 📌")
        same(Triple(set.sessionId, set.ext, set.lastMsg), Triple(ODD, "pinned 📌", null))
        val got = service.queryMySession(ODD)
        same(got, set)
        same(got.parseLastMsg(), Shown.Nothing as Shown)
    }

    private fun changes(
        service: SessionService, onPhone: SessionList, onTablet: SessionList, phone: MemoryStore, tablet: MemoryStore,
    ) {
        val first = "p2p|friend-0-$run"
        backend("friend-0-$run", "not seen yet")
        same(service.deleteMySession(arrayOf(first)).newer, listOf(first), "what the app has not seen stays")
        onPhone.sync()
        same(service.deleteMySession(arrayOf(first)).deleted, listOf(first))
        rejected(404, "no-such-session") { service.queryMySession(first) }
        backend("friend-1-$run", "again")
        onTablet.sync()
        val onIt = tablet.list().map { it.sessionId }
        check(ODD in onIt && first !in onIt) { onIt }
        same(onIt.first(), "p2p|friend-1-$run")
        val batch = arrayOf(ODD, "p2p|friend-2-$run")
        same(service.deleteMySession(batch).deleted, batch.toList())
        onPhone.sync()
        onTablet.sync()
        same(phone.list(), tablet.list(), "two devices agree")
        same(phone.list().size, 3)
    }

    private fun rejections(service: SessionService) {
        same(rejected(400, "invalid-parameter") { service.queryMySessionList(limit = 101) }.parameter, "limit")
        rejected(401, "") { SessionService(url) { "no token" }.queryMySessionList() }
    }

    /** A throttled request is repeated after the time that the service requests. */
    private fun busyService(phone: MemoryStore) {
        var answers = 0
        val busy = Interceptor { chain ->
            if (++answers > 1) return@Interceptor chain.proceed(chain.request())
            Response.Builder().request(chain.request()).protocol(Protocol.HTTP_1_1).code(503).message("busy")
                .header("Retry-After", "7").body("{}".toResponseBody(JSON)).build()
        }
        val waited = mutableListOf<Long>()
        val client = OkHttpClient.Builder().addInterceptor(busy).build()
        SessionList(SessionService(url, client, { waited += it }) { token }, phone).sync()
        same(answers to waited.toList(), 2 to listOf(7_000L))
    }

    /** The sync token has expired, and the list is fetched again. */
    private fun aMonthLater(service: SessionService, onTablet: SessionList, tablet: MemoryStore) {
        post("/local-clock", """{"advance": "31d"}""")
        signIn()
        backend("friend-9-$run", "a month later")
        rejected(410, "sync-token-expired") { service.queryMySessionChanges(tablet.syncToken!!) }
        onTablet.sync()
        same(tablet.list().first().sessionId, "p2p|friend-9-$run")
        same(tablet.list().size, 4)
    }

    private fun rejected(status: Int, type: String, make: () -> Any): ApiError {
        val error = runCatching(make).exceptionOrNull() as? ApiError ?: error("$status was expected")
        same(error.status to error.type, status to type, error.message ?: "")
        return error
    }

    private fun signIn() {
        token = post("/local-issuer/token?user=$me", "")["access_token"] as String
    }

    /** Posts a message copy as the messaging backend does. The service signs it in place of the backend. */
    private fun backend(from: String, text: String) {
        val now = (get("/local-clock")["now"] as Double).toLong()
        val copy = mapOf(
            "eventType" to "1", "convType" to "PERSON", "fromAccount" to from, "to" to me, "msgTimestamp" to "$now",
            "msgType" to "TEXT", "msgidServer" to "$now${++sent}", "body" to text,
        )
        val signed = mapOf("method" to "POST", "path" to "/v1/messages", "body" to written(copy))
        same(post("/console/signed", written(signed)), mapOf("result" to "applied"))
    }

    private fun written(fields: Map<String, String>) = Moshi.Builder().build().adapter(Any::class.java).toJson(fields)

    private fun get(path: String) = read(Request.Builder().url(url + path).build())

    private fun post(path: String, body: String) = read(Request.Builder().url(url + path).post(body.toRequestBody(JSON)).build())

    @Suppress("UNCHECKED_CAST")
    private fun read(request: Request): Map<String, Any?> = http.newCall(request).execute().use { answer ->
        val text = answer.body!!.string()
        check(answer.isSuccessful) { "${request.url}: ${answer.code} $text" }
        Moshi.Builder().build().adapter(Any::class.java).fromJson(text) as Map<String, Any?>
    }
}

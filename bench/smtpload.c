/*
 * smtpload: what many mail clients do, at the same time, and how long it took them.
 *
 *   smtpload --port 587 --credentials FILE [options]         hand in messages, print one line of JSON
 *   smtpload --mode idle  --sessions 5000 ...                open sessions, print JSON, hold them until stdin closes
 *   smtpload --mode guess --seconds 5 --sources 127.1.0.1/1000/61 ...   wrong secrets, until the time is over
 *
 * Read it from the bottom: main() reads the options and starts threads; a thread runs one of the three modes
 * (submit, hold, guess); a mode is made of the steps of a session (open_session, log_in, hand_in); a step is made of
 * lines sent and replies read (say, reply). Each thread has one session at a time, except that `hold` keeps them.
 *
 * The credentials file has a line for each user: login, secret and address, separated by blanks. Session number i uses
 * line i modulo their number, and source address i modulo theirs, so that every thread, round and server gets the
 * same mixture. The server's certificate is not checked: the same saving for every server.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 2048  /* more than any command of ours */
#define REPLY_SIZE 512  /* RFC 5321 section 4.5.3.1.5 */
#define BUFFER_SIZE 16384
#define FIELD_SIZE 128

typedef struct { char login[FIELD_SIZE], secret[FIELD_SIZE], address[FIELD_SIZE]; } user_t;

/* Durations in seconds. */
typedef struct { double *values; long count, room; } series_t;

/* What is measured. The names are those in the JSON. */
enum measure { GREETED, SECURED, LOGGED_IN, REFUSED, HANDED_IN, WHOLE, MEASURES };
static const char *const MEASURE_NAMES[MEASURES] = {
    "greeted",   /* connect() until the reply to the first EHLO (for implicit TLS: the same as secured) */
    "secured",   /* connect() until the reply to EHLO under TLS */
    "logged_in", /* AUTH until its 235 */
    "refused",   /* AUTH until its 535 */
    "message",   /* MAIL until the reply to the message */
    "session",   /* connect() until the reply to QUIT, or to the last command of --until */
};

typedef struct { int fd; SSL *ssl; } connection_t; /* ssl is NULL before TLS */

typedef struct {
    int fd;
    SSL *ssl;
    size_t filled;
    char buffer[BUFFER_SIZE]; /* octets read and not yet consumed */
    char last[REPLY_SIZE];    /* last line of the last reply, or what went wrong */
} session_t;

typedef struct {
    pthread_t thread;
    series_t series[MEASURES];
    long messages, sessions, failed; /* sessions that came to their end, and that did not */
    long refused, deferred, turned_away; /* guess: 535, other 4yz, sessions in which nothing could be guessed */
    char error[REPLY_SIZE];          /* of the last failed session */
    connection_t *idle;              /* hold: the sessions that are open */
    long idle_count;
} worker_t;

/* --- Options: set once by main(), read by all threads ---------------------------------------------------------- */

enum mode { SUBMIT, IDLE, GUESS };
enum until { UNTIL_GREETING, UNTIL_TLS, UNTIL_LOGIN, UNTIL_QUIT };

static struct {
    enum mode mode;
    enum until until;
    const char *host;
    int port, implicit_tls, pipelining, quickack;
    int threads, messages, recipients;
    long sessions, first, size;
    double seconds, rate;
    struct in_addr source; /* the first of source_count addresses, source_stride apart; 0: let the kernel choose */
    long source_count, source_stride;
} option = {.until = UNTIL_QUIT, .host = "127.0.0.1", .port = 587, .threads = 1, .messages = 1, .recipients = 1,
            .sessions = 1, .size = 4096};

static user_t *users;
static long user_count;
static SSL_CTX *tls;
static char *body;
static size_t body_length;
static atomic_long next_session; /* one counter for all threads: none runs out of work before the others */
static atomic_long next_guess;
static double started;

/* --- Time and statistics --------------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(series_t *series, double value) {
    if (series->count == series->room) {
        series->room = series->room ? series->room * 2 : 1024;
        series->values = realloc(series->values, sizeof(double) * (size_t)series->room);
        if (!series->values) abort();
    }
    series->values[series->count++] = value;
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Nearest rank: the smallest value that at least `share` of all do not exceed. The series is sorted. */
static double percentile(const series_t *sorted, double share) {
    long rank = (long)(share * (double)sorted->count + 0.999999);
    return sorted->values[rank < 1 ? 0 : rank - 1];
}

/* --- Lines and replies ----------------------------------------------------------------------------------------- */

static int fail(session_t *s, const char *what) {
    snprintf(s->last, sizeof s->last, "%s", what);
    return -1;
}

static int send_all(session_t *s, const char *octets, size_t length) {
    for (size_t sent = 0; sent < length;) {
        size_t rest = length - sent;
        int count = s->ssl ? SSL_write(s->ssl, octets + sent, (int)(rest > 1 << 20 ? 1 << 20 : rest))
                           : (int)send(s->fd, octets + sent, rest, MSG_NOSIGNAL);
        if (count <= 0) return fail(s, "connection lost while sending");
        sent += (size_t)count;
    }
    return 0;
}

static int receive(session_t *s) {
    char *end = s->buffer + s->filled;
    int one = 1;
    size_t room = sizeof s->buffer - s->filled;
    if (!room) return fail(s, "reply too long");
    if (option.quickack) setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one); /* forgets itself, tcp(7) */
    int count = s->ssl ? SSL_read(s->ssl, end, (int)room) : (int)recv(s->fd, end, room, 0);
    if (count <= 0) return fail(s, "connection lost or silent while a reply was due");
    s->filled += (size_t)count;
    return 0;
}

/* The code of the next reply, its last line in s->last; -1 where none comes. RFC 5321 section 4.2.1. */
static int reply(session_t *s) {
    for (size_t start = 0;;) {
        char *line = s->buffer + start, *end = memmem(line, s->filled - start, "\r\n", 2);
        if (!end) {
            if (receive(s)) return -1;
            continue;
        }
        size_t length = (size_t)(end - line);
        start += length + 2;
        if (length >= 3 && (length == 3 || line[3] != '-')) {
            snprintf(s->last, sizeof s->last, "%.*s", (int)length, line);
            s->filled -= start;
            memmove(s->buffer, s->buffer + start, s->filled);
            return atoi(s->last);
        }
    }
}

static int say(session_t *s, const char *line) {
    return send_all(s, line, strlen(line)) ? -1 : reply(s);
}

/* --- The steps of a session. Each returns 0, or -1 with the reason in s->last ------------------------------------ */

static int connect_from(session_t *s, long number) {
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = htons((uint16_t)option.port)};
    struct timeval patience = {.tv_sec = 60};
    int one = 1;
    memset(s, 0, offsetof(session_t, buffer));
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0) return fail(s, strerror(errno));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (option.source_count) {
        struct sockaddr_in source = {.sin_family = AF_INET};
        source.sin_addr.s_addr = htonl(ntohl(option.source.s_addr) + (uint32_t)(number % option.source_count * option.source_stride));
        /* The kernel then chooses the port at connect(), where it knows the whole pair and can use a port twice. */
        setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(s->fd, (struct sockaddr *)&source, sizeof source)) return fail(s, strerror(errno));
    }
    inet_pton(AF_INET, option.host, &target.sin_addr);
    if (connect(s->fd, (struct sockaddr *)&target, sizeof target)) return fail(s, strerror(errno));
    return 0;
}

static int start_tls(session_t *s) {
    s->ssl = SSL_new(tls);
    SSL_set_fd(s->ssl, s->fd);
    if (SSL_connect(s->ssl) == 1) return 0;
    ERR_clear_error();
    return fail(s, "TLS handshake failed");
}

static int greet(session_t *s) {
    if (reply(s) != 220) return -1;
    return say(s, "EHLO load.example\r\n") == 250 ? 0 : -1;
}

/* From connect() to EHLO under TLS, whatever the TLS mode; `--until greeting` ends before TLS. */
static int open_session(session_t *s, long number, worker_t *w) {
    double start = now();
    if (connect_from(s, number)) return -1;
    if (option.implicit_tls && start_tls(s)) return -1;
    if (greet(s)) return -1;
    add(&w->series[GREETED], now() - start);
    if (option.until == UNTIL_GREETING) return 0;
    if (!option.implicit_tls) {
        if (say(s, "STARTTLS\r\n") != 220 || start_tls(s)) return -1;
        if (say(s, "EHLO load.example\r\n") != 250) return -1;
    }
    add(&w->series[SECURED], now() - start);
    return 0;
}

/* AUTH PLAIN with an initial response, RFC 4616 and RFC 4954; the code of the reply. */
static int authenticate(session_t *s, const char *login, const char *secret) {
    char plain[2 * FIELD_SIZE + 2], coded[4 * FIELD_SIZE], line[LINE_SIZE];
    int length = snprintf(plain, sizeof plain, "%c%s%c%s", 0, login, 0, secret);
    EVP_EncodeBlock((unsigned char *)coded, (unsigned char *)plain, length);
    snprintf(line, sizeof line, "AUTH PLAIN %s\r\n", coded);
    return say(s, line);
}

static int log_in(session_t *s, const user_t *user, worker_t *w) {
    double start = now();
    if (authenticate(s, user->login, user->secret) != 235) return -1;
    add(&w->series[LOGGED_IN], now() - start);
    return 0;
}

static int expect(session_t *s, int code) {
    return reply(s) == code ? 0 : -1;
}

/* MAIL, all RCPT and DATA: one by one, or in one write as RFC 2920 allows. */
static int announce(session_t *s, const user_t *user, long number) {
    char lines[LINE_SIZE];
    snprintf(lines, sizeof lines, "MAIL FROM:<%s>\r\n", user->address);
    if (send_all(s, lines, strlen(lines)) || (!option.pipelining && expect(s, 250))) return -1;
    for (int i = 0; i < option.recipients; i++) {
        snprintf(lines, sizeof lines, "RCPT TO:<r%ld.%d@dest%d.example>\r\n", number, i, i % 7);
        if (send_all(s, lines, strlen(lines)) || (!option.pipelining && expect(s, 250))) return -1;
    }
    if (send_all(s, "DATA\r\n", 6)) return -1;
    for (int i = 0; option.pipelining && i <= option.recipients; i++)
        if (expect(s, 250)) return -1;
    return expect(s, 354);
}

static int hand_in(session_t *s, const user_t *user, long number, int which, worker_t *w) {
    char header[LINE_SIZE];
    double start = now();
    if (announce(s, user, number)) return -1;
    int length = snprintf(header, sizeof header,
                          "From: <%s>\r\nTo: <r@dest0.example>\r\nSubject: load %ld %d\r\n"
                          "Message-ID: <%d.%ld.%d@load.example>\r\nDate: Tue, 24 Nov 2026 07:00:00 +0000\r\n\r\n",
                          user->address, number, which, getpid(), number, which);
    if (send_all(s, header, (size_t)length) || send_all(s, body, body_length) || expect(s, 250)) return -1;
    add(&w->series[HANDED_IN], now() - start);
    w->messages++;
    return 0;
}

static void close_connection(int fd, SSL *ssl) {
    if (ssl) {
        SSL_set_quiet_shutdown(ssl, 1);
        SSL_shutdown(ssl);
        SSL_free(ssl);
    }
    if (fd >= 0) close(fd);
}

/* --- The modes: what one thread does ---------------------------------------------------------------------------- */

/* Whether --seconds have passed; never, where they are not given. */
static int is_over(void) {
    return option.seconds > 0 && now() >= started + option.seconds;
}

/* Wait until it is the turn of `number`, where --rate is given. */
static void wait_for_turn(long number) {
    if (option.rate <= 0) return;
    double due = started + (double)number / option.rate - now();
    if (due > 0) usleep((useconds_t)(due * 1e6));
}

static int up_to_login(session_t *s, long number, worker_t *w) {
    if (open_session(s, number, w)) return -1;
    return option.until >= UNTIL_LOGIN ? log_in(s, &users[number % user_count], w) : 0;
}

static int whole_session(session_t *s, long number, worker_t *w) {
    if (up_to_login(s, number, w)) return -1;
    if (option.until < UNTIL_QUIT) return 0;
    for (int i = 0; i < option.messages; i++)
        if (hand_in(s, &users[number % user_count], number, i, w)) return -1;
    return say(s, "QUIT\r\n") == 221 ? 0 : -1;
}

static void note_failure(worker_t *w, const session_t *s) {
    w->failed++;
    memcpy(w->error, s->last, sizeof w->error);
}

static void submit(worker_t *w, session_t *s) {
    for (long i; (i = atomic_fetch_add(&next_session, 1)) < option.sessions && !is_over();) {
        wait_for_turn(i);
        double start = now();
        if (whole_session(s, option.first + i, w)) {
            note_failure(w, s);
        } else {
            w->sessions++;
            add(&w->series[WHOLE], now() - start);
        }
        close_connection(s->fd, s->ssl);
    }
}

static void hold(worker_t *w, session_t *s) {
    w->idle = calloc((size_t)option.sessions, sizeof *w->idle);
    for (long i; (i = atomic_fetch_add(&next_session, 1)) < option.sessions;) {
        if (up_to_login(s, option.first + i, w)) {
            note_failure(w, s);
            close_connection(s->fd, s->ssl);
            continue;
        }
        w->sessions++;
        w->idle[w->idle_count++] = (connection_t){s->fd, s->ssl};
    }
}

/*
 * Wrong secrets, as many in one session as the server bears. Each is another user's, so of the right form: a server
 * that could see by its form that it is wrong would have less to do than with a real guess.
 */
static int guess_until_closed(session_t *s, long number, worker_t *w) {
    if (open_session(s, number, w)) return -1;
    for (long i = number; !is_over(); i++) {
        wait_for_turn(atomic_fetch_add(&next_guess, 1));
        double start = now();
        int code = authenticate(s, users[i % user_count].login, users[(i + 1) % user_count].secret);
        if (code != 535) {
            atomic_fetch_sub(&next_guess, 1); /* the turn was not used */
            if (code >= 400 && code < 500 && code != 421) w->deferred++; /* 421 is an ordinary end, as a close is */
            return i == number ? -1 : 0;
        }
        add(&w->series[REFUSED], now() - start);
        w->refused++;
    }
    return 0;
}

static void guess(worker_t *w, session_t *s) {
    while (!is_over()) {
        if (guess_until_closed(s, option.first + atomic_fetch_add(&next_session, 1), w)) {
            w->turned_away++;
            memcpy(w->error, s->last, sizeof w->error);
        } else {
            w->sessions++;
        }
        close_connection(s->fd, s->ssl);
    }
}

static void *work(void *argument) {
    static void (*const modes[])(worker_t *, session_t *) = {[SUBMIT] = submit, [IDLE] = hold, [GUESS] = guess};
    session_t *session = malloc(sizeof *session);
    modes[option.mode](argument, session);
    free(session);
    return NULL;
}

/* --- What is printed ---------------------------------------------------------------------------------------------- */

static void print_series(enum measure which, const worker_t *workers, const char *separator) {
    series_t all = {0};
    double sum = 0;
    for (int i = 0; i < option.threads; i++)
        for (long k = 0; k < workers[i].series[which].count; k++) add(&all, workers[i].series[which].values[k]);
    for (long k = 0; k < all.count; k++) sum += all.values[k];
    printf("%s\"%s\": {\"count\": %ld", separator, MEASURE_NAMES[which], all.count);
    if (all.count) {
        qsort(all.values, (size_t)all.count, sizeof(double), ascending);
        printf(", \"min\": %.6f, \"mean\": %.6f, \"p50\": %.6f, \"p95\": %.6f, \"p99\": %.6f, \"max\": %.6f",
               all.values[0], sum / (double)all.count, percentile(&all, .50), percentile(&all, .95),
               percentile(&all, .99), all.values[all.count - 1]);
    }
    printf("}");
    free(all.values);
}

/* A reply of the server inside JSON: what would need an escape becomes a question mark. */
static void print_text(const char *name, const char *text) {
    printf(", \"%s\": \"", name);
    for (; *text; text++) putchar(*text < ' ' || *text > '~' || *text == '"' || *text == '\\' ? '?' : *text);
    printf("\"");
}

static double cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print_result(const worker_t *workers, double elapsed) {
    worker_t sum = {0};
    for (int i = 0; i < option.threads; i++) {
        sum.messages += workers[i].messages;
        sum.sessions += workers[i].sessions;
        sum.failed += workers[i].failed;
        sum.refused += workers[i].refused;
        sum.deferred += workers[i].deferred;
        sum.turned_away += workers[i].turned_away;
        if (workers[i].error[0]) memcpy(sum.error, workers[i].error, sizeof sum.error);
    }
    printf("{\"elapsed\": %.6f, \"cpu\": %.3f, \"sessions\": %ld, \"failed\": %ld, \"messages\": %ld, \"refused\": %ld, "
           "\"deferred\": %ld, \"turned_away\": %ld",
           elapsed, cpu_seconds(), sum.sessions, sum.failed, sum.messages, sum.refused, sum.deferred, sum.turned_away);
    print_text("error", sum.error);
    for (int which = 0; which < MEASURES; which++)
        print_series((enum measure)which, workers, which ? ", " : ", \"latency\": {");
    printf("}}\n");
    fflush(stdout);
}

static void hold_until_stdin_closes(worker_t *workers) {
    char rest[256];
    while (read(STDIN_FILENO, rest, sizeof rest) > 0) continue;
    for (int i = 0; i < option.threads; i++)
        for (long k = 0; k < workers[i].idle_count; k++)
            close_connection(workers[i].idle[k].fd, workers[i].idle[k].ssl);
}

/* --- Start --------------------------------------------------------------------------------------------------------- */

static void stop(const char *sentence, const char *what) {
    fprintf(stderr, "smtpload: %s: %s\n", what, sentence);
    exit(2);
}

static void read_users(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) stop(strerror(errno), path);
    user_t one;
    while (fscanf(file, "%127s %127s %127s", one.login, one.secret, one.address) == 3) {
        users = realloc(users, sizeof *users * (size_t)(user_count + 1));
        users[user_count++] = one;
    }
    fclose(file);
    if (!user_count) stop("no line with login, secret and address", path);
}

/* Lines of 76 letters, and the end of the message: nothing that would need a dot in front. */
static void make_body(long size) {
    body = malloc((size_t)size + 128);
    for (long line = 0; (long)body_length + 78 <= size; line++) {
        memset(body + body_length, 'a' + (int)(line % 26), 76);
        memcpy(body + body_length + 76, "\r\n", 2);
        body_length += 78;
    }
    memcpy(body + body_length, ".\r\n", 3);
    body_length += 3;
}

/* 127.1.0.1, or 127.1.0.1/1000: that many addresses, or 127.1.0.1/1000/61: that far apart, so of several networks. */
static void set_source(char *range) {
    char *count = strchr(range, '/'), *stride = count ? strchr(count + 1, '/') : NULL;
    option.source_count = count ? atol(count + 1) : 1;
    option.source_stride = stride ? atol(stride + 1) : 1;
    if (count) *count = 0;
    if (!inet_aton(range, &option.source) || option.source_count < 1) stop("not ADDRESS/COUNT/STRIDE", range);
}

static int choice(const char *given, const char *const names[], int count, const char *what) {
    for (int i = 0; i < count; i++)
        if (!strcmp(given, names[i])) return i;
    stop("not one of its words", what);
    return -1;
}

static const struct option OPTIONS[] = {
    {"host", 1, 0, 'H'},        {"port", 1, 0, 'p'},       {"credentials", 1, 0, 'c'}, {"implicit-tls", 0, 0, 'i'},
    {"threads", 1, 0, 't'},     {"sessions", 1, 0, 's'},   {"first", 1, 0, 'f'},       {"messages", 1, 0, 'm'},
    {"recipients", 1, 0, 'r'},  {"size", 1, 0, 'l'},       {"pipelining", 0, 0, 'g'},  {"sources", 1, 0, 'a'},
    {"mode", 1, 0, 'M'},        {"until", 1, 0, 'u'},      {"seconds", 1, 0, 'd'},     {"rate", 1, 0, 'R'},
    {"quickack", 0, 0, 'q'},
    {0},
};

static void set_option(int which, char *value) {
    static const char *const modes[] = {"submit", "idle", "guess"};
    static const char *const untils[] = {"greeting", "tls", "login", "quit"};
    switch (which) {
    case 'H': option.host = value; break;
    case 'p': option.port = atoi(value); break;
    case 'c': read_users(value); break;
    case 'i': option.implicit_tls = 1; break;
    case 't': option.threads = atoi(value); break;
    case 's': option.sessions = atol(value); break;
    case 'f': option.first = atol(value); break;
    case 'm': option.messages = atoi(value); break;
    case 'r': option.recipients = atoi(value); break;
    case 'l': option.size = atol(value); break;
    case 'g': option.pipelining = 1; break;
    case 'q': option.quickack = 1; break;
    case 'a': set_source(value); break;
    case 'M': option.mode = (enum mode)choice(value, modes, 3, "--mode"); break;
    case 'u': option.until = (enum until)choice(value, untils, 4, "--until"); break;
    case 'd': option.seconds = atof(value); break;
    case 'R': option.rate = atof(value); break;
    default: stop("the head of smtpload.c tells how it is used", "wrong option");
    }
}

int main(int count, char **arguments) {
    for (int which; (which = getopt_long(count, arguments, "", OPTIONS, NULL)) != -1;) set_option(which, optarg);
    if (!user_count) stop("a file is needed", "--credentials");
    if (option.mode == GUESS && option.seconds <= 0) stop("needed for --mode guess", "--seconds");
    signal(SIGPIPE, SIG_IGN);
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    make_body(option.size);
    worker_t *workers = calloc((size_t)option.threads, sizeof *workers);
    started = now();
    for (int i = 0; i < option.threads; i++) pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    for (int i = 0; i < option.threads; i++) pthread_join(workers[i].thread, NULL);
    print_result(workers, now() - started);
    if (option.mode == IDLE) hold_until_stdin_closes(workers);
    return 0;
}

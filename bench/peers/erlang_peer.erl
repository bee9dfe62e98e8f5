%% Erlang's distribution: two nodes, a process on each, plain messages between them.
%%
%%     erl ... -s erlang_peer server
%%     erl ... -run erlang_peer client NODE MODE PAYLOAD SECONDS
-module(erlang_peer).
-export([server/0, client/1]).

server() ->
    register(orders, spawn(fun() -> serving(0) end)),
    io:format("READY~n").

serving(Received) ->
    receive
        {order, _Id, _SentAt, _Flags, _Body} -> serving(Received + 1);
        {question, From, Order} -> From ! {answer, Order}, serving(Received);
        {count, From} -> From ! {received, Received}, serving(0)
    end.

client([Node, Mode, Payload, Seconds]) ->
    Server = list_to_atom(Node),
    pong = net_adm:ping(Server),
    Pid = rpc:call(Server, erlang, whereis, [orders]),
    Body = binary:copy(<<"x">>, list_to_integer(Payload) - 28),
    Wanted = list_to_float(Seconds),
    {Rate, Latencies} = measure(run_of(Mode, Pid, Body), 256, Wanted),
    report(Mode, Payload, Rate, lists:sort(Latencies)),
    halt(0, [{flush, true}]).

%% Runs of growing length, until one tells how many messages fill the time wanted.
measure(Run, Many, Wanted) ->
    {Took, _} = timed(Run, Many),
    case Took < Wanted / 8 of
        true -> measure(Run, Many * 4, Wanted);
        false ->
            Final = max(64, trunc(Many * Wanted / Took) div 64 * 64),
            {Time, Latencies} = timed(Run, Final),
            {Final / Time, Latencies}
    end.

timed(Run, Many) ->
    Began = now_ns(),
    Latencies = Run(Many),
    {(now_ns() - Began) / 1.0e9, Latencies}.

run_of("oneway", Pid, Body) ->
    fun(Many) ->
        send(Pid, Many, Body),
        Pid ! {count, self()},
        receive {received, Many} -> [] end
    end;
run_of("pp" ++ Outstanding, Pid, Body) ->
    Askers = list_to_integer(Outstanding),
    fun(Many) ->
        Me = self(),
        Pids = [spawn_link(fun() -> Me ! {self(), ask(Pid, Many div Askers, Body, [])} end)
                || _ <- lists:seq(1, Askers)],
        lists:append([receive {Asker, Latencies} -> Latencies end || Asker <- Pids])
    end.

send(_, 0, _) -> ok;
send(Pid, Left, Body) ->
    Pid ! {order, Left, Left, 7, Body},
    send(Pid, Left - 1, Body).

ask(_, 0, _, Latencies) -> Latencies;
ask(Pid, Left, Body, Latencies) ->
    Began = now_ns(),
    Pid ! {question, self(), {order, Left, Began, 7, Body}},
    receive {answer, {order, Left, _, _, _}} -> ok end,
    ask(Pid, Left - 1, Body, [now_ns() - Began | Latencies]).

now_ns() -> erlang:monotonic_time(nanosecond).

report(Mode, Payload, Rate, Latencies) ->
    io:format("{\"peer\":\"Erlang\",\"mode\":\"~s\",\"payload\":~s,\"rate\":~.1f,"
              "\"p50_us\":~s,\"p99_us\":~s}~n",
              [Mode, Payload, Rate, share(Latencies, 50), share(Latencies, 99)]).

share([], _) -> "null";
share(Sorted, Percent) ->
    At = length(Sorted) * Percent div 100 + 1,
    io_lib:format("~.2f", [lists:nth(min(At, length(Sorted)), Sorted) / 1000]).

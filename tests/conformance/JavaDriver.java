// Drives the official Java client by the lines of clients.py's DriverClient.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.ClientInfo;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

public class JavaDriver {
    static class NotExpressible extends Exception { }

    static final Map<String, CreateMode> MODES = Map.of(
        "p", CreateMode.PERSISTENT, "e", CreateMode.EPHEMERAL,
        "ps", CreateMode.PERSISTENT_SEQUENTIAL, "es", CreateMode.EPHEMERAL_SEQUENTIAL,
        "c", CreateMode.CONTAINER, "t", CreateMode.PERSISTENT_WITH_TTL,
        "ts", CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL);

    // Bytes travel as text of one character each, so that data survives as it is.
    static String unquote(String text) {
        StringBuilder bytes = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) == '%') {
                bytes.append((char) Integer.parseInt(text.substring(i + 1, i + 3), 16));
                i += 2;
            } else {
                bytes.append(text.charAt(i));
            }
        }
        return bytes.toString();
    }

    static String quote(String bytes) {
        StringBuilder text = new StringBuilder();
        for (char c : bytes.toCharArray()) {
            boolean plain = c < 128 && (Character.isLetterOrDigit(c) || "/=,.-_!".indexOf(c) >= 0);
            text.append(plain ? String.valueOf(c) : String.format("%%%02X", (int) c));
        }
        return text.toString();
    }

    static byte[] bytes(String field) { return field.getBytes(StandardCharsets.ISO_8859_1); }
    static String text(String field) { return new String(bytes(field), StandardCharsets.UTF_8); }
    static String field(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    }

    static String joined(List<String> fields) {
        StringBuilder line = new StringBuilder();
        for (String one : fields) {
            line.append(line.length() == 0 ? "" : "\t").append(quote(one));
        }
        return line.toString();
    }

    static synchronized void say(List<String> fields) {
        System.out.println(joined(fields));
        System.out.flush();
    }

    static List<ACL> acl(String text) {
        List<ACL> entries = new ArrayList<>();
        for (String entry : text.isEmpty() ? new String[0] : text.split(" ")) {
            String[] parts = entry.split(",");
            String id = parts.length > 2 ? unquote(parts[2]) : "";
            entries.add(new ACL(Integer.parseInt(parts[0]), new Id(parts[1], id)));
        }
        return entries;
    }

    static String stat(Stat of) {
        return "stat=" + of.getCzxid() + "," + of.getMzxid() + "," + of.getCtime() + ","
            + of.getMtime() + "," + of.getVersion() + "," + of.getCversion() + ","
            + of.getAversion() + "," + of.getEphemeralOwner() + "," + of.getDataLength() + ","
            + of.getNumChildren() + "," + of.getPzxid();
    }

    static String names(List<String> names) {
        List<String> quoted = new ArrayList<>();
        for (String name : names) {
            quoted.add(quote(field(name)));
        }
        return "names=" + String.join(",", quoted);
    }

    static String data(byte[] data) {
        return "data=" + (data == null ? "" : new String(data, StandardCharsets.ISO_8859_1));
    }

    static class Session implements Watcher {
        final String name;
        final CountDownLatch settled = new CountDownLatch(1);
        volatile boolean expired;
        ZooKeeper link;

        Session(String name) { this.name = name; }

        @Override
        public void process(WatchedEvent event) {
            if (event.getType() == Event.EventType.None) {
                expired = event.getState() == Event.KeeperState.Expired;
                if (expired || event.getState() == Event.KeeperState.SyncConnected) {
                    settled.countDown();
                }
            } else if (event.getType().getIntValue() <= 4) {
                say(List.of("!", name, "" + event.getType().getIntValue(),
                            field(event.getPath())));
            }
        }
    }

    final String hosts;
    final Map<String, Session> sessions = new HashMap<>();

    JavaDriver(String hosts) { this.hosts = hosts; }

    List<String> open(String name, String[] args) throws Exception {
        Session one = new Session(name);
        int timeout = Integer.parseInt(args[0]);
        if (args.length > 1 && !args[1].isEmpty()) {
            ZooKeeper old = sessions.get(args[1]).link;
            one.link = new ZooKeeper(hosts, timeout, one, old.getSessionId(),
                                     old.getSessionPasswd());
        } else {
            one.link = new ZooKeeper(hosts, timeout, one);
        }
        boolean settled = one.settled.await(15, TimeUnit.SECONDS);
        sessions.put(name, one);
        if (!settled) {
            return List.of("-4");
        }
        if (one.expired) {
            return List.of("-112");
        }
        return List.of("0", "number=" + one.link.getSessionTimeout(),
                       "session=" + one.link.getSessionId());
    }

    List<String> change(Session one, String verb, String[] args) throws Exception {
        switch (verb) {
            case "create":
            case "create1": {
                CreateMode mode = MODES.get(args[2]);
                if (args[3].isEmpty() || (verb.equals("create1") && args[2].matches("[ct]s?"))) {
                    throw new NotExpressible();
                }
                if (verb.equals("create1")) {
                    return List.of("0", "path=" + field(one.link.create(
                        text(args[0]), bytes(args[1]), acl(args[3]), mode)));
                }
                Stat meta = new Stat();
                String path = one.link.create(text(args[0]), bytes(args[1]), acl(args[3]), mode,
                                              meta, mode.isTTL() ? Long.parseLong(args[4]) : -1);
                return List.of("0", "path=" + field(path), stat(meta));
            }
            case "delete":
                one.link.delete(text(args[0]), Integer.parseInt(args[1]));
                return List.of("0");
            case "set":
                return List.of("0", stat(one.link.setData(text(args[0]), bytes(args[1]),
                                                          Integer.parseInt(args[2]))));
            case "setacl":
                return List.of("0", stat(one.link.setACL(text(args[0]), acl(args[1]),
                                                         Integer.parseInt(args[2]))));
            case "multi":
                return multi(one, args);
            case "auth":
                if (!args[0].equals("digest")) {
                    throw new NotExpressible();
                }
                one.link.addAuthInfo(args[0], bytes(args[1]));
                return List.of("0");
            case "close":
                one.link.close();
                return List.of("0");
            default:
                return null;
        }
    }

    List<String> read(Session one, String verb, String[] args) throws Exception {
        Watcher watcher = args.length > 1 && args[1].equals("1") ? one : null;
        Stat meta = new Stat();
        switch (verb) {
            case "exists":
                meta = one.link.exists(text(args[0]), watcher);
                return meta == null ? List.of("-101") : List.of("0", stat(meta));
            case "get": {
                byte[] data = one.link.getData(text(args[0]), watcher, meta);
                return List.of("0", data(data), stat(meta));
            }
            case "children": {
                List<String> found = one.link.getChildren(text(args[0]), watcher, meta);
                return List.of("0", names(found), stat(meta));
            }
            case "children1":
                return List.of("0", names(one.link.getChildren(text(args[0]), watcher)));
            case "getacl": {
                List<String> entries = new ArrayList<>();
                for (ACL entry : one.link.getACL(text(args[0]), meta)) {
                    entries.add(entry.getPerms() + "," + entry.getId().getScheme() + ","
                                + quote(entry.getId().getId()));
                }
                return List.of("0", "acl=" + String.join(" ", entries), stat(meta));
            }
            case "sync": {
                CountDownLatch done = new CountDownLatch(1);
                int[] code = new int[1];
                one.link.sync(text(args[0]), (rc, path, context) -> {
                    code[0] = rc;
                    done.countDown();
                }, null);
                done.await(15, TimeUnit.SECONDS);
                return List.of("" + code[0]);
            }
            case "ephemerals": {
                List<String> found = one.link.getEphemerals(text(args[0]));
                return List.of("0", names(found));
            }
            case "allchildren":
                return List.of("0", "number=" + one.link.getAllChildrenNumber(text(args[0])));
            case "whoami": {
                List<String> found = new ArrayList<>();
                for (ClientInfo info : one.link.whoAmI()) {
                    found.add(info.getAuthScheme() + ":" + info.getUser());
                }
                return List.of("0", names(found));
            }
            default:
                return null;
        }
    }

    List<String> watch(Session one, String verb, String[] args) throws Exception {
        if (verb.equals("addwatch")) {
            if (args[1].equals("wrong")) {
                throw new NotExpressible();
            }
            one.link.addWatch(text(args[0]), one, args[1].equals("recursive")
                              ? AddWatchMode.PERSISTENT_RECURSIVE : AddWatchMode.PERSISTENT);
            return List.of("0");
        }
        if (verb.equals("removewatch")) {
            Watcher.WatcherType which = args[1].equals("data") ? Watcher.WatcherType.Data
                : args[1].equals("children") ? Watcher.WatcherType.Children
                : Watcher.WatcherType.Any;
            one.link.removeWatches(text(args[0]), one, which, false);
            return List.of("0");
        }
        throw new NotExpressible();
    }

    static String[] fields(String line) {
        return Arrays.stream(line.split("\t", -1)).map(JavaDriver::unquote).toArray(String[]::new);
    }

    static Op operation(String text) throws NotExpressible {
        String[] parts = fields(text);
        String path = text(parts[1]);
        switch (parts[0]) {
            case "create": {
                CreateMode mode = MODES.get(parts[3]);
                return mode.isTTL()
                    ? Op.create(path, bytes(parts[2]), acl(parts[4]), mode,
                                Long.parseLong(parts[5]))
                    : Op.create(path, bytes(parts[2]), acl(parts[4]), mode);
            }
            case "delete": return Op.delete(path, Integer.parseInt(parts[2]));
            case "set": return Op.setData(path, bytes(parts[2]), Integer.parseInt(parts[3]));
            case "check": return Op.check(path, Integer.parseInt(parts[2]));
            case "get": return Op.getData(path);
            case "children": return Op.getChildren(path);
            default: throw new NotExpressible();
        }
    }

    List<String> multi(Session one, String[] args) throws Exception {
        List<Op> ops = new ArrayList<>();
        for (String text : args) {
            ops.add(operation(text));
        }
        if (ops.isEmpty()) {
            throw new NotExpressible();
        }
        List<OpResult> results;
        try {
            results = one.link.multi(ops);
        } catch (KeeperException problem) {
            results = problem.getResults();
            if (results == null) {
                throw problem;
            }
        }
        List<String> fields = new ArrayList<>(List.of("0"));
        for (OpResult result : results) {
            fields.add("result=" + joined(result(result)));
        }
        return fields;
    }

    static List<String> result(OpResult of) {
        List<String> part = new ArrayList<>(List.of("0"));
        if (of instanceof OpResult.ErrorResult) {
            part.set(0, "" + ((OpResult.ErrorResult) of).getErr());
        } else if (of instanceof OpResult.CreateResult) {
            part.add("path=" + field(((OpResult.CreateResult) of).getPath()));
            if (((OpResult.CreateResult) of).getStat() != null) {
                part.add(stat(((OpResult.CreateResult) of).getStat()));
            }
        } else if (of instanceof OpResult.SetDataResult) {
            part.add(stat(((OpResult.SetDataResult) of).getStat()));
        } else if (of instanceof OpResult.GetDataResult) {
            part.add(data(((OpResult.GetDataResult) of).getData()));
            part.add(stat(((OpResult.GetDataResult) of).getStat()));
        } else if (of instanceof OpResult.GetChildrenResult) {
            part.add(names(((OpResult.GetChildrenResult) of).getChildren()));
        }
        return part;
    }

    void line(String line) {
        String[] fields = fields(line);
        String[] args = Arrays.copyOfRange(fields, 2, fields.length);
        try {
            List<String> answer;
            if (fields[0].equals("open")) {
                answer = open(fields[1], args);
            } else {
                Session one = sessions.get(fields[1]);
                answer = change(one, fields[0], args);
                answer = answer != null ? answer : read(one, fields[0], args);
                answer = answer != null ? answer : watch(one, fields[0], args);
            }
            List<String> all = new ArrayList<>(List.of("="));
            all.addAll(answer);
            say(all);
        } catch (KeeperException problem) {
            say(List.of("=", "" + problem.code().intValue()));
        } catch (NotExpressible | IllegalArgumentException problem) {
            say(List.of("na"));  // the library refuses to say it
        } catch (Exception problem) {
            System.err.println(problem);
            say(List.of("=", "-1"));
        }
    }

    public static void main(String[] args) throws Exception {
        JavaDriver driver = new JavaDriver(args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in,
                                                                     StandardCharsets.US_ASCII));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            driver.line(line);
        }
        System.exit(0);
    }
}

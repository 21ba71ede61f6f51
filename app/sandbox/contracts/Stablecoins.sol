// SPDX-License-Identifier: UNLICENSED
pragma solidity 0.8.37;

// The traps of the two large stablecoins, for the sandbox and the tests. Written from their public interfaces; none of
// their code is in it. `compile.cjs` makes `stablecoins.json`.

/// What both have: a supply, an owner, and a switch that stops every transfer. A refusal has no text, as in old compilers.
abstract contract Stablecoin {
    string public name;
    string public symbol;
    uint8 public constant decimals = 6;
    uint256 internal supply;
    address public owner;
    bool public paused;
    mapping(address => uint256) internal balances;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Pause();
    event Unpause();

    modifier onlyOwner() {
        require(msg.sender == owner);
        _;
    }

    modifier whenNotPaused() {
        require(!paused);
        _;
    }

    constructor(string memory name_, string memory symbol_, uint256 supply_, address owner_) {
        name = name_;
        symbol = symbol_;
        supply = supply_;
        owner = owner_;
        balances[owner_] = supply_;
        emit Transfer(address(0), owner_, supply_);
    }

    function pause() external onlyOwner whenNotPaused {
        paused = true;
        emit Pause();
    }

    function unpause() external onlyOwner {
        require(paused);
        paused = false;
        emit Unpause();
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function move(address from, address to, uint256 value) internal {
        require(to != address(0));
        require(balances[from] >= value);
        balances[from] -= value;
        balances[to] += value;
        emit Transfer(from, to, value);
    }

    function useAllowance(address from, uint256 value) internal {
        require(allowance[from][msg.sender] >= value);
        if (allowance[from][msg.sender] != type(uint256).max) allowance[from][msg.sender] -= value;
    }
}

/// As USDT on Tron: `transfer` is declared with a result that is never set, so it returns false when it succeeds.
///
/// A fee is kept of each transfer, with a second Transfer log. Only a blacklisted sender is stopped; destroying funds
/// leaves no Transfer log. Once deprecated, it forwards to a successor, whose logs name another contract.
contract TetherLike is Stablecoin {
    uint256 public basisPointsRate;
    uint256 public maximumFee;
    bool public deprecated;
    address public upgradedAddress;
    address public legacy;
    mapping(address => bool) public isBlackListed;

    event AddedBlackList(address indexed user);
    event RemovedBlackList(address indexed user);
    event DestroyedBlackFunds(address indexed user, uint256 balance);
    event Issue(uint256 amount);
    event Redeem(uint256 amount);
    event Deprecate(address newAddress);
    event Params(uint256 feeBasisPoints, uint256 maxFee);

    constructor(string memory name_, string memory symbol_, uint256 supply_, address owner_)
        Stablecoin(name_, symbol_, supply_, owner_)
    {}

    function totalSupply() external view returns (uint256) {
        if (deprecated) return TetherLike(upgradedAddress).totalSupply();
        return supply;
    }

    function balanceOf(address who) external view returns (uint256) {
        if (deprecated) return TetherLike(upgradedAddress).balanceOf(who);
        return balances[who];
    }

    function calcFee(uint256 value) public view returns (uint256) {
        uint256 fee = (value * basisPointsRate) / 10000;
        return fee > maximumFee ? maximumFee : fee;
    }

    function transfer(address to, uint256 value) external whenNotPaused returns (bool) {
        require(!isBlackListed[msg.sender]);
        if (deprecated) {
            TetherLike(upgradedAddress).transferByLegacy(msg.sender, to, value);
        } else {
            moveLessFee(msg.sender, to, value);
        }
    }

    function transferFrom(address from, address to, uint256 value) external whenNotPaused returns (bool) {
        require(!isBlackListed[from] && !deprecated);
        useAllowance(from, value);
        moveLessFee(from, to, value);
        return true;
    }

    /// Called by the contract that this one succeeds.
    function transferByLegacy(address from, address to, uint256 value) external {
        require(msg.sender == legacy);
        moveLessFee(from, to, value);
    }

    function setLegacy(address legacy_) external onlyOwner {
        legacy = legacy_;
    }

    function addBlackList(address user) external onlyOwner {
        isBlackListed[user] = true;
        emit AddedBlackList(user);
    }

    function removeBlackList(address user) external onlyOwner {
        isBlackListed[user] = false;
        emit RemovedBlackList(user);
    }

    function destroyBlackFunds(address user) external onlyOwner {
        require(isBlackListed[user]);
        uint256 taken = balances[user];
        balances[user] = 0;
        supply -= taken;
        emit DestroyedBlackFunds(user, taken);
    }

    function issue(uint256 amount) external onlyOwner {
        balances[owner] += amount;
        supply += amount;
        emit Issue(amount);
        emit Transfer(address(0), owner, amount);
    }

    function redeem(uint256 amount) external onlyOwner {
        require(balances[owner] >= amount);
        balances[owner] -= amount;
        supply -= amount;
        emit Redeem(amount);
        emit Transfer(owner, address(0), amount);
    }

    function deprecate(address successor) external onlyOwner {
        deprecated = true;
        upgradedAddress = successor;
        emit Deprecate(successor);
    }

    /// `maxFee` is in whole tokens.
    function setParams(uint256 newBasisPoints, uint256 newMaxFee) external onlyOwner {
        require(newBasisPoints < 20 && newMaxFee < 50);
        basisPointsRate = newBasisPoints;
        maximumFee = newMaxFee * 10 ** decimals;
        emit Params(basisPointsRate, maximumFee);
    }

    function moveLessFee(address from, address to, uint256 value) private {
        uint256 fee = calcFee(value);
        move(from, to, value - fee);
        if (fee > 0) move(from, owner, fee);
    }
}

/// As USDC: a blacklisted account can neither send nor receive, and `transfer` returns true.
contract CircleLike is Stablecoin {
    mapping(address => bool) public isBlacklisted;

    event Blacklisted(address indexed account);
    event UnBlacklisted(address indexed account);

    constructor(string memory name_, string memory symbol_, uint256 supply_, address owner_)
        Stablecoin(name_, symbol_, supply_, owner_)
    {}

    function totalSupply() external view returns (uint256) {
        return supply;
    }

    function balanceOf(address who) external view returns (uint256) {
        return balances[who];
    }

    function transfer(address to, uint256 value) external whenNotPaused returns (bool) {
        require(!isBlacklisted[msg.sender] && !isBlacklisted[to]);
        move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external whenNotPaused returns (bool) {
        require(!isBlacklisted[msg.sender] && !isBlacklisted[from] && !isBlacklisted[to]);
        useAllowance(from, value);
        move(from, to, value);
        return true;
    }

    function blacklist(address account) external onlyOwner {
        isBlacklisted[account] = true;
        emit Blacklisted(account);
    }

    function unBlacklist(address account) external onlyOwner {
        isBlacklisted[account] = false;
        emit UnBlacklisted(account);
    }
}

/// Pays the native coin on, as exchanges' contracts do.
contract Spreader {
    constructor() payable {}

    receive() external payable {}

    /// Pay each recipient its amount, of what came with the call and what the contract has.
    function pay(address[] calldata to, uint256[] calldata amounts) external payable {
        for (uint256 i = 0; i < to.length; i++) {
            (bool sent, ) = to[i].call{value: amounts[i]}("");
            require(sent);
        }
    }

    /// Pay `to` in an inner call that then reverts; the outer call succeeds.
    function payInVain(address to, uint256 amount) external payable {
        try this.payAndRevert(to, amount) {} catch {}
    }

    function payAndRevert(address to, uint256 amount) external {
        (bool sent, ) = to.call{value: amount}("");
        require(sent && false);
    }

    /// Move tokens and native coin in one transaction.
    function payBoth(Stablecoin token, address from, address payable to, uint256 tokens, uint256 coins) external payable {
        (bool moved, ) = address(token).call(
            abi.encodeWithSignature("transferFrom(address,address,uint256)", from, to, tokens)
        );
        require(moved);
        to.transfer(coins);
    }

    /// Give all that the contract has to `to`.
    function end(address payable to) external {
        selfdestruct(to);
    }

    /// Never ends: all energy is used up.
    function spin() external pure {
        while (true) {}
    }
}
